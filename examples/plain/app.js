import { connect } from '/static/js/rowcast.js';

const rowcast = connect();
const live = rowcast.live('testtype', { order: '-id', limit: 50 });

live.addEventListener('change', () => {
  const items = live.rows.map(({ id, name, value }) => {
    const item = document.createElement('li');
    item.textContent = `${id}: ${name} ${value ?? ''}`;
    return item;
  });
  document.querySelector('#rows').replaceChildren(...items);
});

const tell = () => {
  const { role, tabs, connection } = rowcast.state;
  const trouble = live.error ? `: ${live.error.detail ?? live.error.title}` : '';
  document.querySelector('#state').textContent = `${live.status}${trouble}; ${connection}; this tab is ${role}, one of ${tabs}`;
};
rowcast.addEventListener('state', tell);
live.addEventListener('status', tell);
tell();

// What is written comes back as a change, like everybody else's.
document.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const body = JSON.stringify({ name: form.elements.name.value });
  const response = await fetch('/api/testtype', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  if (response.ok) form.reset();
  else alert((await response.json()).detail);
});
