/* Amounts are money: every digit of these is checked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  formatAmount, formatCount, formatDuration, formatPercent, formatTime, pickLanguage, plainYuan,
} from '../../src/dashboard/format.js';

const zh = { lang: 'zh' };
const LARGEST = Number.MAX_SAFE_INTEGER; // fen: what the server counts up to

test('an amount is exact to the fen', () => {
  assert.equal(formatAmount(0), '¥0.00');
  assert.equal(formatAmount(5), '¥0.05');
  assert.equal(formatAmount(-7905), '−¥79.05');
  assert.equal(formatAmount(123456789012), '¥1,234,567,890.12');
  assert.equal(formatAmount(LARGEST), '¥90,071,992,547,409.91');
  assert.equal(formatAmount(LARGEST - 1), '¥90,071,992,547,409.90');
});

test('in Chinese it is grouped by 万 and 亿, as exact', () => {
  assert.equal(formatAmount(0, zh), '¥0.00');
  assert.equal(formatAmount(999999, zh), '¥9999.99');
  assert.equal(formatAmount(1000000, zh), '¥1万0000.00');
  assert.equal(formatAmount(42138251, zh), '¥42万1382.51');
  assert.equal(formatAmount(10000000500, zh), '¥1亿0000万0005.00');
  assert.equal(formatAmount(LARGEST, zh), '¥900719亿9254万7409.91');
});

test('no digit is lost, whatever the amount', () => {
  for (let fen = 1; fen < LARGEST; fen = fen * 3 + 7) {
    const digits = String(fen).padStart(3, '0');
    assert.equal(formatAmount(fen).replace(/[^\d]/g, ''), digits);
    assert.equal(formatAmount(fen, zh).replace(/[^\d]/g, ''), digits);
    assert.equal(plainYuan(fen).replace('.', ''), digits);
  }
});

test('a compact amount has three figures and a unit', () => {
  const cases = [
    [0, '¥0', '¥0'],
    [2990, '¥29.90', '¥29.90'],
    [15800, '¥158', '¥158'],
    [999949, '¥9,999', '¥9999'],
    [999950, '¥10.0K', '¥1.00万'],
    [99994999, '¥1.00M', '¥100万'],
    [1234567, '¥12.3K', '¥1.23万'],
    [42138251, '¥421K', '¥42.1万'],
    [123456789, '¥1.23M', '¥123万'],
    [9999499999, '¥100M', '¥9999万'],
    [9999500000, '¥100M', '¥1.00亿'],
    [123456789012, '¥1.23B', '¥12.3亿'],
    [LARGEST, '¥90,072B', '¥900720亿'],
    [-1234567, '−¥12.3K', '−¥1.23万'],
  ];
  for (const [fen, en, chinese] of cases) {
    assert.equal(formatAmount(fen, { compact: true }), en);
    assert.equal(formatAmount(fen, { compact: true, lang: 'zh' }), chinese);
  }
});

test('a round amount has no zeros that say nothing', () => {
  const cases = [ // exact, in English and in Chinese; compact, in both
    [0, '¥0', '¥0', '¥0', '¥0'],
    [2990, '¥29.90', '¥29.90', '¥29.90', '¥29.90'],
    [50000, '¥500', '¥500', '¥500', '¥500'],
    [1000000, '¥10,000', '¥1万', '¥10K', '¥1万'],
    [1500000, '¥15,000', '¥1万5000', '¥15K', '¥1.5万'],
    [34000000, '¥340,000', '¥34万', '¥340K', '¥34万'],
    [34000050, '¥340,000.50', '¥34万0000.50', '¥340K', '¥34万'],
    [10000000000, '¥100,000,000', '¥1亿', '¥100M', '¥1亿'],
    [10000000500, '¥100,000,005', '¥1亿0000万0005', '¥100M', '¥1亿'],
    [12000000000, '¥120,000,000', '¥1亿2000万', '¥120M', '¥1.2亿'],
    [-34000000, '−¥340,000', '−¥34万', '−¥340K', '−¥34万'],
  ];
  for (const [fen, ...expected] of cases) {
    const told = [false, true].flatMap((compact) => ['en', 'zh'].map((lang) => (
      formatAmount(fen, { lang, compact, round: true }))));
    assert.deepEqual(told, expected);
  }
});

test('another currency is named, not guessed', () => {
  assert.equal(formatAmount(1234, { currency: 'USD' }), 'USD\u00a012.34');
});

test('counts', () => {
  assert.equal(formatCount(1234567), '1,234,567');
  assert.equal(formatCount(1234567, zh), '1,234,567');
  assert.equal(formatCount(9999, { compact: true }), '9,999');
  assert.equal(formatCount(12345, { compact: true }), '12.3K');
  assert.equal(formatCount(123456789, { lang: 'zh', compact: true }), '1.23亿');
});

test('times, in a zone of choice', () => {
  const ms = Date.UTC(2026, 10, 22, 16, 5, 9);
  assert.equal(formatTime(ms, { timeZone: 'UTC' }), '16:05:09');
  assert.equal(formatTime(ms, { timeZone: 'Asia/Shanghai', seconds: false }), '00:05');
  assert.equal(formatTime(ms, { timeZone: 'Asia/Shanghai', date: true }), '2026-11-23 00:05:09');
});

test('a countdown ends at zero and counts a started second as one', () => {
  assert.equal(formatDuration(3723001), '01:02:04');
  assert.equal(formatDuration(-5), '00:00:00');
  assert.equal(formatDuration(90000000), '1d 01:00:00');
  assert.equal(formatDuration(90000000, zh), '1天 01:00:00');
});

test('a goal is at 100 % only when it is reached', () => {
  assert.equal(formatPercent(0, 10), '0.0%');
  assert.equal(formatPercent(999999, 1000000), '99.9%');
  assert.equal(formatPercent(1000000, 1000000), '100.0%');
  assert.equal(formatPercent(LARGEST, 1), '900,719,925,474,099,100.0%');
  assert.equal(formatPercent(-5, 10), '0.0%');
  assert.equal(formatPercent(5, 0), '');
});

test('the language: what the address says, then the browser, then English', () => {
  assert.equal(pickLanguage('?lang=zh', { languages: ['en'] }), 'zh');
  assert.equal(pickLanguage('?lang=zh-CN', {}), 'zh');
  assert.equal(pickLanguage('?lang=fr', { languages: ['fr-FR', 'zh-TW', 'en'] }), 'zh');
  assert.equal(pickLanguage('', { language: 'en-US' }), 'en');
  assert.equal(pickLanguage('', { languages: ['de'] }), 'en');
  assert.equal(pickLanguage('', undefined), 'en');
});
