/** That the script is what its declarations promise. Nothing here runs: the type check is the test. */
import type * as api from '../../../static/js/api.js';
import * as script from '../../../static/js/rowcast.js';

type Script = ReturnType<typeof script.connect>;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

/** Events have types only in the declarations: to the script an event is an Event. */
type Quiet<T> = Omit<T, 'addEventListener' | 'removeEventListener'>;

/** All that is promised is there, in these very forms. */
export const connect: (options?: api.ConnectOptions) => Script = script.connect;
export const live = (made: Script, options: api.LiveOptions): Quiet<api.Replica> => made.live('person', options);
export const subscribe = (made: Script, listener: (news: api.News) => void): Quiet<api.Subscription> => made.subscribe('person', {}, listener);
export const rest = (made: Script): Omit<Quiet<api.Rowcast>, 'live' | 'subscribe'> => made;
export const state: Same<Script['state'], api.State> = true;
export const rows: Same<ReturnType<Script['live']>['rows'], readonly api.Row[]> = true;

/** And a page gets by with the declarations, typed rows and all. */
interface Person extends api.Row {
  id: number;
  name: string;
}

export function page(made: api.Rowcast): string[] {
  const people = made.live<Person>('person', { where: { city: 'Basel', left: null, id: 9007199254740993n }, order: (a, b) => a.id - b.id, limit: 10 });
  people.addEventListener('change', ({ detail }) => detail.changes.map(({ op, new: row }) => `${op} ${row?.name}`));
  people.addEventListener('status', () => people.status === 'error' && people.error?.title);
  const raw = made.subscribe<Person>('person', {}, ({ changes, reset }) => (reset ? 0 : changes.length));
  made.addEventListener('state', () => made.state.role === 'master');
  // @ts-expect-error: there is no such event
  people.addEventListener('changed', () => {});
  // @ts-expect-error: only values that can be compared for equality
  made.live('person', { where: { tags: ['a'] } });
  raw.close();
  made.close({ wipe: true });
  return people.rows.map(({ name }) => name);
}
