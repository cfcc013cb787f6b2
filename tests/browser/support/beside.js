/** Files of a test and the server's /api under one origin, as a page has it that is served beside the server by a proxy. */
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';

/** What lets pages of other origins, and of none, load scripts, ask and read. */
const OPEN = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': '*',
};

export class Beside {
  #server;
  /** What was asked of /api, each as `METHOD /path`. @type {string[]} */
  calls = [];

  /**
   * @param {number} port  the server's
   * @param {Record<string, string>} files  path on the web to path on disk
   * @param {(url: string) => boolean} open  what pages of any origin may have
   */
  constructor(port, files, open) {
    this.#server = createServer((asked, answer) => {
      const { method, url = '/', headers } = asked;
      if (files[url]) {
        answer.setHeader('Content-Type', url.endsWith('.js') ? 'text/javascript' : 'text/html');
        answer.end(readFileSync(files[url]));
        return;
      }
      this.calls.push(`${method} ${url}`);
      if (open(url)) {
        for (const [name, value] of Object.entries(OPEN)) answer.setHeader(name, value);
        if (method === 'OPTIONS') return answer.end();
        for (const name of ['origin', 'sec-fetch-site']) delete headers[name];
      }
      const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
        answer.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(answer);
      });
      onward.on('error', () => answer.destroy());
      // A tab that is closed frees its place.
      answer.on('close', () => onward.destroy());
      asked.pipe(onward);
    });
  }

  /** @param {number} port @param {Record<string, string>} files @param {(url: string) => boolean} [open] */
  static async start(port, files, open = () => false) {
    const beside = new Beside(port, files, open);
    await new Promise((resolve) => beside.#server.listen(0, '127.0.0.1', () => resolve(null)));
    return beside;
  }

  get origin() {
    const address = this.#server.address();
    return `http://localhost:${typeof address === 'object' ? address?.port : 0}`;
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
