/**
 * The shapes that cross from one module to another; those that a page sees are in api.d.ts. Nothing here runs.
 *
 * @typedef {import('./api.js').Row} Row
 * @typedef {import('./api.js').Key} Key
 * @typedef {import('./api.js').Where} Where
 * @typedef {import('./api.js').Change} Change
 * @typedef {import('./api.js').Problem} Problem
 * @typedef {import('./api.js').ShownProblem} ShownProblem
 * @typedef {import('./api.js').Connection} Connection
 * @typedef {import('./api.js').State} State
 *
 * @typedef {Record<string, string | number | boolean | null>} SentWhere  a Where as JSON can have it
 *
 * @typedef {object} Answer               what one entry of a poll is told
 * @property {string} id                  the entry's id, as the poll named it
 * @property {Change[]} [changes]
 * @property {boolean} [reset]            list anew
 * @property {number} [retry_after_ms]    with `reset`: wait so long before listing
 *
 * @typedef {object} Entry                one subscription of a poll
 * @property {string} id
 * @property {string} table
 * @property {string} since               a cursor, or `now`
 * @property {SentWhere} [where]
 *
 * @typedef {object} PollRequest
 * @property {string} [browser]           32 hex digits, with `term`
 * @property {number} [term]
 * @property {number} wait                seconds
 * @property {number} [heartbeat]         seconds
 * @property {Entry[]} subscriptions
 *
 * @typedef {object} Batch                one answer of the server, as it goes through the log
 * @property {number} id                  its number in the log; 0 where there is no log
 * @property {number} term                of the master that polled
 * @property {string} tab                 of the master that polled
 * @property {Record<string, string>} from  entry → the cursor it starts from
 * @property {string} to                  the cursor at which all of them end
 * @property {Answer[] | null} answers    null: left out of the log, see `told`
 * @property {string[]} [told]            without `answers`: the entries that were told something
 * @property {Record<string, Problem>} [refused]  entries that the server will not serve
 *
 * @typedef {object} Demand               a subscription of one tab, as it stands in that tab's key
 * @property {string} id
 * @property {string} table
 * @property {SentWhere} [where]
 * @property {string} since               the cursor that the tab had reached when it wrote this
 */

export {};
