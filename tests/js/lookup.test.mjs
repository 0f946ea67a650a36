/* Names that pages ask for: how many at a time, and what stands there meanwhile. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { HOLD_MS, Lookup } from '../../src/dashboard/lookup.js';

let now;
let values; // what the daemon has said, by topic
let subscribed;
let lookup;

beforeEach(() => {
  now = 5000;
  performance.now = () => now;
  values = new Map();
  subscribed = [];
  lookup = new Lookup();
  lookup.follow({
    get: (topic) => values.get(topic),
    subscribe: (topics) => subscribed.push(...topics),
    unsubscribe: (topics) => { subscribed = subscribed.filter((topic) => !topics.includes(topic)); },
  });
});

const wanted = (id) => lookup.wantedName('host', id, 'en');

function answer(topic, payload) {
  values.set(topic, payload);
  return lookup.take(new Set([topic]));
}

test('a name is asked for once, and nothing stands there until it comes', () => {
  assert.deepEqual([wanted('ling'), wanted('ling')], ['', '']);
  assert.deepEqual(subscribed, ['host/ling']);
  assert.equal(answer('host/other', { name: 'Other' }), false);
  assert.equal(answer('host/ling', { name: 'Ling' }), true);
  assert.equal(wanted('ling'), 'Ling');
  assert.deepEqual(subscribed, []);
});

test('an id stands for a name that does not come, does not exist or may not be seen', () => {
  wanted('slow');
  now += HOLD_MS;
  assert.equal(wanted('slow'), 'slow');
  answer('host/slow', { name: 'Slow' });
  assert.equal(wanted('slow'), 'Slow', 'late is not never');
  wanted('nameless');
  answer('host/nameless', {});
  wanted('secret');
  assert.equal(lookup.refuse('host/secret'), true);
  assert.equal(lookup.refuse('top/hosts'), false);
  assert.deepEqual([wanted('nameless'), wanted('secret'), subscribed], ['nameless', 'secret', []]);
});

test('a topic that was forgotten with its data set is no answer', () => {
  wanted('ling');
  assert.equal(lookup.take(new Set(['host/ling'])), false);
  assert.deepEqual(subscribed, ['host/ling']);
});

test('at most 32 at once, and 16 a second in the long run', () => {
  const shown = Array.from({ length: 40 }, (_, i) => wanted(`a${i}`));
  assert.equal(subscribed.length, 32);
  assert.deepEqual(shown.slice(30), ['', '', ...Array.from({ length: 8 }, (_, i) => `a${i + 32}`)]);
  for (const topic of [...subscribed]) answer(topic, { name: 'A' });
  let asked = 0;
  for (let i = 0; i < 1000; i += 1) { // ten seconds of names that nobody has seen
    now += 10;
    wanted(`b${i}`);
    asked += subscribed.length;
    for (const topic of [...subscribed]) answer(topic, { name: 'B' });
  }
  assert.equal(asked, 160);
});

test('who connects anew asks anew', () => {
  wanted('ling');
  lookup.follow({ get: () => undefined, subscribe: (topics) => subscribed.push(...topics) });
  wanted('ling');
  assert.deepEqual(subscribed, ['host/ling', 'host/ling']);
});
