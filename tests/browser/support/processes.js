/** Programs that a test starts and ends: by their own pid, never by name. */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').ExecFileOptions & { input?: string }} [options]
 * @returns {Promise<string>} what it wrote to stdout
 * @throws with what it wrote to stderr
 */
export function run(program, args, { input, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { ...options, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')} failed: ${error.message}\n${stderr}`));
      else resolve(String(stdout));
    });
    child.stdin?.end(input);
  });
}

/** A program that runs until it is ended. Keeps what it says on stderr, for the message when it fails. */
export class Background {
  /**
   * @param {string} program
   * @param {string[]} args
   * @param {import('node:child_process').SpawnOptions} [options]
   */
  constructor(program, args, options = {}) {
    this.said = '';
    this.child = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr?.on('data', (data) => (this.said += data));
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve(code ?? signal));
      this.child.once('error', (error) => {
        this.said += error.message;
        resolve(error.message);
      });
    });
    this.child.once('exit', () => (this.gone = true));
    this.gone = false;
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal = 'SIGTERM', limit = 10_000) {
    if (this.gone) return;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limit);
    await this.ended;
    clearTimeout(timer);
  }
}

/** A process and all that it and they have started. @param {number} pid @returns {number[]} */
export function descendants(pid) {
  try {
    // Each thread has children of its own.
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    const children = threads.join(' ').split(' ').filter(Boolean).map(Number);
    return [pid, ...children.flatMap(descendants)];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
