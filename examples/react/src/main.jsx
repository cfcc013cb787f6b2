import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from 'rowcast';
import { useLive, useRowcastState } from './useRowcast.js';

const rowcast = connect();

function App() {
  const [newestFirst, setNewestFirst] = useState(true);
  const { rows, status, error } = useLive(rowcast, 'testtype', { order: newestFirst ? '-id' : 'id', limit: 50 });
  const { role, tabs, connection } = useRowcastState(rowcast);
  return (
    <main>
      <h1>Rows, live</h1>
      <p role="status">
        {status}
        {error && `: ${error.detail ?? error.title}`}; {connection}; this tab is {role}, one of {tabs}
      </p>
      <AddRow />
      <label>
        <input type="checkbox" checked={newestFirst} onChange={({ target }) => setNewestFirst(target.checked)} /> Newest first
      </label>
      <ul id="rows">
        {rows.map(({ id, name, value }) => (
          <li key={id}>
            {id}: {name} {value}
          </li>
        ))}
      </ul>
    </main>
  );
}

/** What is written comes back as a change, like everybody else's. */
function AddRow() {
  const [name, setName] = useState('');
  const add = async (event) => {
    event.preventDefault();
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch('/api/testtype', { method: 'POST', headers, body: JSON.stringify({ name }) });
    if (response.ok) setName('');
    else alert((await response.json()).detail);
  };
  return (
    <form onSubmit={add}>
      <label>
        Name <input name="name" value={name} onChange={({ target }) => setName(target.value)} required autoComplete="off" />
      </label>
      <button>Add</button>
    </form>
  );
}

createRoot(document.querySelector('#root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
