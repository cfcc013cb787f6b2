import { defineConfig } from 'vite';

// The page and rowcast under one origin.
const rowcast = process.env.ROWCAST ?? 'http://127.0.0.1:8888';

export default defineConfig({
  server: { host: 'localhost', proxy: { '/api': rowcast, '/notify': rowcast } },
  esbuild: { jsx: 'automatic' },
});
