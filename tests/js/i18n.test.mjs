/* A text that is missing in one language, or fills in something else, shows only to its readers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { TEXTS, text } from '../../src/dashboard/i18n.js';

const PAGE = new URL('../../src/dashboard/', import.meta.url);
const blanks = (string) => (string.match(/\{\w+\}/g) ?? []).sort();

test('every text stands in both languages and fills in the same', () => {
  for (const [key, texts] of Object.entries(TEXTS)) {
    assert.equal(texts.length, 2, key);
    assert.ok(texts.every((string) => string.trim() !== ''), key);
    assert.deepEqual(blanks(texts[0]), blanks(texts[1]), key);
  }
});

test('blanks are filled in', () => {
  assert.equal(text('en', 'stale', { time: '12:00:05' }), 'Stale since 12:00:05');
  assert.equal(text('zh', 'ordersOf', { orders: '1,234' }), '1,234 单');
});

test('every text that the pages name is in the table', () => {
  const files = readdirSync(PAGE).filter((name) => /\.(js|html)$/.test(name));
  const named = new Set();
  for (const name of files) {
    const source = readFileSync(new URL(name, PAGE), 'utf8');
    for (const [, quoted, attribute] of source.matchAll(/\bt\('(\w+)'|data-text="(\w+)"/g)) {
      named.add(`${quoted ?? attribute} in ${name}`);
    }
  }
  assert.ok(named.size > 20, 'this test no longer finds them');
  for (const key of named) assert.ok(key.split(' ')[0] in TEXTS, key);
});
