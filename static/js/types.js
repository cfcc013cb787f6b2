/**
 * The shapes that cross from one module to another. Nothing here runs.
 *
 * @typedef {Record<string, any>} Row     one row, as json.js reads it: a number that a double does not hold is a string
 * @typedef {readonly any[]} Key          the values of the key's columns, in the key's order
 * @typedef {Record<string, string | number | bigint | boolean | null>} Where  column → value; null means IS NULL
 * @typedef {Record<string, string | number | boolean | null>} SentWhere  the same, as JSON can have it
 *
 * @typedef {object} Change               one row inserted, updated or deleted
 * @property {'insert' | 'update' | 'delete'} op
 * @property {Key | null} key             null: the table has none. Then an update is told as a delete and an insert
 * @property {Row | null} old
 * @property {Row | null} new
 * @property {string[]} [elided]          large columns that the update left as they were: in neither `old` nor `new`
 * @property {string} mtime
 * @property {boolean} [leaves]           the new row no longer matches the subscription's `where`
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
 * @typedef {object} Problem              problem+json (RFC 9457)
 * @property {string} type
 * @property {string} title
 * @property {number} status              0: no answer from the server at all
 * @property {string} [detail]
 * @property {string} [code]              SQLSTATE
 *
 * @typedef {object} ShownProblem         what a page is told while the server is away
 * @property {string} title
 * @property {string} detail
 * @property {number | null} retryAt      ms since the epoch, by this computer's clock
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
 *
 * @typedef {'connecting' | 'online' | 'offline'} Connection
 *
 * @typedef {object} State
 * @property {string} tab
 * @property {'starting' | 'master' | 'follower' | 'alone'} role
 * @property {number} term
 * @property {string | null} master     the master's tab
 * @property {number | null} masterSince  ms since the epoch: for display
 * @property {number} tabs              how many tabs share the poll
 * @property {boolean} visible
 * @property {Connection} connection
 * @property {ShownProblem | null} problem  while offline
 * @property {number} handovers         how many this tab has seen
 * @property {number | null} lastHandover  ms since the epoch: for display
 * @property {string} reason            why it is alone; else empty
 */

export {};
