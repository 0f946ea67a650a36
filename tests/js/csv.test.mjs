/* What is downloaded is opened in spreadsheets, which run what looks like a formula. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { csvCell, csvText, parseCsv } from '../../src/dashboard/csv.js';

test('what a spreadsheet would run becomes text', () => {
  for (const evil of ['=1+1', '+1', '-1+2', '@SUM(A1)', '\t=1', '\r=1', ' =1', '-', "=cmd|'/c'!A0",
    '＝1+1', '\ufeff=1', '\u3000＠x']) {
    const cell = csvCell(evil);
    assert.match(cell, /^"?'/, JSON.stringify(evil));
  }
});

test('numbers and amounts stay numbers', () => {
  assert.equal(csvCell(-5), '-5');
  assert.equal(csvCell('-79.05'), '-79.05');
  assert.equal(csvCell('1234.50'), '1234.50');
});

test('quotes, commas and line ends are kept', () => {
  assert.equal(csvCell('a,"b"\nc'), '"a,""b""\nc"');
  assert.equal(csvCell(undefined), '');
  assert.equal(csvText(['名', 'n'], [['李小茶', 1]]), '\ufeff名,n\r\n李小茶,1\r\n');
});

test('the province grid: 34 tiles, each on its own place', () => {
  const file = new URL('../../src/dashboard/provinces.csv', import.meta.url);
  const tiles = parseCsv(readFileSync(file, 'utf8'));
  assert.equal(tiles.length, 34);
  assert.equal(new Set(tiles.map(({ col, row }) => `${col}/${row}`)).size, 34);
  assert.equal(new Set(tiles.map(({ abbr_en: abbr }) => abbr)).size, 34);
  assert.ok(tiles.every(({ code }) => /^\d\d0000$/.test(code)));
});
