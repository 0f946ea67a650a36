/*
 * Follows topics with livetally.js and says all it is told, one JSON object a line, for tests that
 * hold it against a real daemon: node follow.mjs URL TOKEN TOPIC...
 */
import { createRequire } from 'node:module';

import { Live } from '../../src/dashboard/livetally.js';

/* Debian's package node-ws, where Node has no WebSocket of its own. */
const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('/usr/share/nodejs/ws');

const [url, token, ...topics] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const live = new Live({ url, token, intervalMs: 100, WebSocket });
live.on('state', (state) => say({ event: 'state', ...state }));
live.on('error', (error) => say({ event: 'error', ...error }));
live.on('update', (update) => {
  const values = Object.fromEntries([...update.topics].map((name) => [name, live.get(name) ?? null]));
  say({ event: 'update', ...update, topics: undefined, values, lead: live.serverNow() - Date.now() });
});
live.subscribe(topics);
process.stdin.on('end', () => live.close());
process.stdin.resume();
