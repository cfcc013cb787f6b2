import { useMemo, useSyncExternalStore } from 'react';

/** This tab's state: who is master, and whether the server is there. */
export function useRowcastState(rowcast) {
  const store = useMemo(() => {
    let shown = rowcast.state;
    return {
      subscribe: (listener) => {
        const take = () => {
          shown = rowcast.state;
          listener();
        };
        rowcast.addEventListener('state', take);
        take();
        return () => rowcast.removeEventListener('state', take);
      },
      snapshot: () => shown,
    };
  }, [rowcast]);
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

/**
 * A live copy of a table, for as long as the component is there.
 * @param {import('rowcast').Rowcast} rowcast
 * @param {string} table
 * @param {{ where?: Record<string, string | number | boolean | null>, order?: string | string[], limit?: number }} [options]
 * @returns {{ rows: readonly import('rowcast').Row[], status: import('rowcast').Status, error: import('rowcast').Problem | null }}
 */
export function useLive(rowcast, table, options = {}) {
  // By value: options that are written anew at each rendering do not open the copy anew.
  const asked = JSON.stringify(options);
  const store = useMemo(() => liveStore(rowcast, table, JSON.parse(asked)), [rowcast, table, asked]);
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

/** React subscribes once it has rendered, and may do so twice: the copy is opened and closed with the subscription. */
function liveStore(rowcast, table, options) {
  let shown = { rows: [], status: 'loading', error: null };
  return {
    subscribe: (listener) => {
      const live = rowcast.live(table, options);
      const take = () => {
        // Rows that are being read anew are no reason to show none.
        const rows = live.status === 'loading' ? shown.rows : live.rows;
        shown = { rows, status: live.status, error: live.error };
        listener();
      };
      live.addEventListener('change', take);
      live.addEventListener('status', take);
      return () => live.close();
    },
    snapshot: () => shown,
  };
}
