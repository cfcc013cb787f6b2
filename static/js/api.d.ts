/**
 * The public interface of rowcast in the browser. Everything else in this folder may change at any time.
 */

/** One row. A number that a double does not hold exactly is a string of its digits. */
export type Row = Record<string, any>;

/** The values of the key's columns, in the key's order. */
export type Key = readonly any[];

/** Column to value, compared for equality; null means IS NULL. */
export type Where = Record<string, string | number | bigint | boolean | null>;

/** A column, `-` before it for descending; several of them; or a comparison of one's own. */
export type Order<R extends Row = Row> = string | string[] | ((a: R, b: R) => number);

/** One row inserted, updated or deleted. */
export interface Change<R extends Row = Row> {
  op: 'insert' | 'update' | 'delete';
  /** null: the table has no key. Then an update is told as a delete and an insert. */
  key: Key | null;
  old: R | null;
  new: R | null;
  /** Large columns that the update left as they were: they are in neither `old` nor `new`. */
  elided?: string[];
  /** When it was logged, RFC 3339. */
  mtime: string;
  /** The new row no longer matches the subscription's `where`. */
  leaves?: boolean;
}

/** What a raw subscription is told, for one committed state after another. */
export interface News<R extends Row = Row> {
  changes: Change<R>[];
  /** More has changed than can be told: what was built on earlier changes must be built anew. */
  reset: boolean;
}

/** `list`: the rows were read anew. */
export interface ReplicaChange<R extends Row = Row> {
  kind: 'list' | 'changes';
  /** As they were told; what an update left out as too large is only in `rows`. */
  changes: Change<R>[];
}

/** What the server refuses, in the form of problem+json (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  /** 0: there was no answer from the server at all. */
  status: number;
  detail?: string;
  /** SQLSTATE, where the database refused. */
  code?: string;
}

/** What a page can tell its person while the server is away. */
export interface ShownProblem {
  title: string;
  detail: string;
  /** ms since the epoch, by this computer's clock. */
  retryAt: number | null;
}

export type Connection = 'connecting' | 'online' | 'offline';

/** What this tab is, and how it fares. */
export interface State {
  /** This tab's id. */
  tab: string;
  /** `alone`: without localStorage, a tab polls for itself; `reason` says why. */
  role: 'starting' | 'master' | 'follower' | 'alone';
  /** The number of the present master's reign; it only grows. */
  term: number;
  /** The master's tab. */
  master: string | null;
  /** ms since the epoch: for display. */
  masterSince: number | null;
  /** How many tabs share the poll. */
  tabs: number;
  visible: boolean;
  connection: Connection;
  /** Only while offline. */
  problem: ShownProblem | null;
  /** How many changes of master this tab has seen. */
  handovers: number;
  /** ms since the epoch: for display. */
  lastHandover: number | null;
  /** Why the tab is alone; else empty. */
  reason: string;
}

/** loading: nothing is here yet. stale: what is here was true once, the server is away. error: the server refuses, see `error`. */
export type Status = 'loading' | 'live' | 'stale' | 'error';

type Listener<E extends Event> = ((event: E) => void) | { handleEvent(event: E): void };

/** A stream of changes into this tab. */
interface Feed<Detail> extends EventTarget {
  readonly table: string;
  readonly status: Status;
  readonly error: Problem | null;
  /** Stops for good. The other tabs and feeds go on. */
  close(): void;
  /** Something has changed. */
  addEventListener(type: 'change', listener: Listener<CustomEvent<Detail>>, options?: boolean | AddEventListenerOptions): void;
  /** `status` or `error` is another. */
  addEventListener(type: 'status', listener: Listener<Event>, options?: boolean | AddEventListenerOptions): void;
  removeEventListener(type: 'change', listener: Listener<CustomEvent<Detail>>, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: 'status', listener: Listener<Event>, options?: boolean | EventListenerOptions): void;
}

/** A live copy of a table's rows: always those of one moment of the database, a whole number of transactions. */
export interface Replica<R extends Row = Row> extends Feed<ReplicaChange<R>> {
  /** In order. Another array after every change; an array that was handed out never changes. */
  readonly rows: readonly R[];
}

/** Raw changes of a table, without a copy of its rows. */
export interface Subscription<R extends Row = Row> extends Feed<News<R>> {}

export interface LiveOptions<R extends Row = Row> {
  /** Only rows that match. */
  where?: Where;
  /** By key, if left out. */
  order?: Order<R>;
  /** How many rows `rows` shows at most; all that match are kept. */
  limit?: number;
}

export interface ConnectOptions {
  /** Where the server is, `/` by default; the same origin. */
  endpoint?: string;
  /** Who is logged in: tabs of another identity are kept apart. */
  identity?: string;
  /**
   * True by default. Rows in localStorage lie on disk and are open to every script of the origin. With false they never go
   * there, and each tab fetches its changes itself.
   */
  rowsInStorage?: boolean;
}

/** This tab's connection. One is enough for a page. */
export interface Rowcast extends EventTarget {
  readonly state: State;
  /** A live copy of the rows of a table: `testtype`, or `schema.table` outside of the schema public. */
  live<R extends Row = Row>(table: string, options?: LiveOptions<R>): Replica<R>;
  /** Raw changes from now on. */
  subscribe<R extends Row = Row>(table: string, options: { where?: Where }, listener: (news: News<R>) => void): Subscription<R>;
  /** Ends everything in this tab; other tabs go on. `wipe`: also removes what lies in localStorage, as at logout. */
  close(options?: { wipe?: boolean }): void;
  /** `state` is another. */
  addEventListener(type: 'state', listener: Listener<Event>, options?: boolean | AddEventListenerOptions): void;
  removeEventListener(type: 'state', listener: Listener<Event>, options?: boolean | EventListenerOptions): void;
}

/** Connects this tab. */
export function connect(options?: ConnectOptions): Rowcast;
