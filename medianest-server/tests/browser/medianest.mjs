// A real server on an empty data directory and a port of its own, as somebody starts it for the first time.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const workspace = fileURLToPath(new URL('../../..', import.meta.url));
const program = process.env.TEST_SERVER ?? path.join(workspace, 'target/debug/medianest');

export const corpus = process.env.MEDIANEST_CORPUS ?? path.join(workspace, '../shared/corpus');

/** Starts the server; answers its address, the first administrator's one-time password, and how to stop it. */
export async function start() {
  const data = await mkdtemp(path.join(tmpdir(), 'medianest-page-'));
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('MEDIANEST_'));
  const server = spawn(program, ['serve'], {
    env: { ...Object.fromEntries(environment), MEDIANEST_DATA_DIR: data, MEDIANEST_LISTEN: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = [];
  const lines = [server.stdout, server.stderr].map((input) => createInterface({ input }));
  const found = new Promise((resolve, reject) => {
    const about = {};
    for (const line of lines) {
      line.on('line', (text) => {
        said.push(text);
        about.url ??= /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
        about.password ??= /password:?\s+(\S+)\s*$/i.exec(text)?.[1];
        if (about.url && about.password) resolve(about);
      });
    }
    server.once('error', (cause) => reject(new Error(`cannot start ${program}; build it with: cargo build -p medianest-server`, { cause })));
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said.join('\n')}`)));
  });
  const ended = once(server, 'exit');
  const stop = async () => {
    server.kill('SIGTERM');
    const [code] = await ended;
    await rm(data, { recursive: true, force: true });
    assert.equal(code, 0, `the server did not end in order:\n${said.join('\n')}`);
  };
  try {
    return { ...(await found), stop };
  } catch (error) {
    server.kill('SIGKILL');
    await rm(data, { recursive: true, force: true });
    throw error;
  }
}
