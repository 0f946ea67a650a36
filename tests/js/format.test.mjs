/* Amounts are money: every digit of these is checked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  amountThatFits, formatAmount, formatCount, formatDuration, formatPercent, formatTime, minorDigits,
  pickLanguage, plainAmount, widthOf, zoneMs,
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
    assert.equal(plainAmount(fen, 'CNY').replace('.', ''), digits);
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

test('minor units are those of ISO 4217', () => {
  const digits = { CNY: 2, JPY: 0, KRW: 0, KWD: 3, IQD: 3, IDR: 2, HUF: 2, CLF: 4, ZZZ: 2 };
  for (const [currency, expected] of Object.entries(digits)) {
    assert.equal(minorDigits(currency), expected, currency);
  }
});

test('an amount has the sign and the digits of its currency', () => {
  const cases = [ // exact, in English and in Chinese; compact, in both; in a file
    ['CNY', 123456789, '¥1,234,567.89', '¥123万4567.89', '¥1.23M', '¥123万', '1234567.89'],
    ['JPY', 123456789, '¥123,456,789', 'JP¥1亿2345万6789', '¥123M', 'JP¥1.23亿', '123456789'],
    ['JPY', 0, '¥0', 'JP¥0', '¥0', 'JP¥0', '0'],
    ['KWD', -123456789, '−KWD\u00a0123,456.789', '−KWD\u00a012万3456.789', '−KWD\u00a0123K',
      '−KWD\u00a012.3万', '-123456.789'],
    ['KWD', 5, 'KWD\u00a00.005', 'KWD\u00a00.005', 'KWD\u00a00.005', 'KWD\u00a00.005', '0.005'],
    ['KWD', 99999, 'KWD\u00a099.999', 'KWD\u00a099.999', 'KWD\u00a099.999', 'KWD\u00a099.999', '99.999'],
    ['EUR', 1000000, '€10,000.00', '€1万0000.00', '€10.0K', '€1.00万', '10000.00'],
    ['USD', 1234, '$12.34', 'US$12.34', '$12.34', 'US$12.34', '12.34'],
  ];
  for (const [currency, minor, ...expected] of cases) {
    const told = [false, true].flatMap((compact) => ['en', 'zh'].map((lang) => (
      formatAmount(minor, { lang, currency, compact }))));
    assert.deepEqual([...told, plainAmount(minor, currency)], expected);
  }
  assert.equal(formatAmount(12000, { currency: 'KWD', round: true }), 'KWD\u00a012');
  assert.equal(formatAmount(100000000, { currency: 'JPY', round: true, lang: 'zh' }), 'JP¥1亿');
  assert.equal(formatAmount(-1234567, { lang: 'zh', books: true }), '−¥12,345.67');
});

test('what is longer than there is room for is told apart by one amount', () => {
  const limits = { 'en CNY': 1e10, 'zh CNY': 1e10, 'en JPY': 1e8, 'zh JPY': 1e8, 'en KWD': 1e8 };
  for (const [key, expected] of Object.entries(limits)) {
    const [lang, currency] = key.split(' ');
    const limit = amountThatFits(14, 8, { lang, currency });
    assert.equal(limit, expected, key);
    assert.ok(widthOf(formatAmount(limit - 1, { lang, currency })) <= 14);
  }
});

test('counts', () => {
  assert.equal(formatCount(1234567), '1,234,567');
  assert.equal(formatCount(1234567, zh), '1,234,567');
  assert.equal(formatCount(9999, { compact: true }), '9,999');
  assert.equal(formatCount(12345, { compact: true }), '12.3K');
  assert.equal(formatCount(123456789, { lang: 'zh', compact: true }), '1.23亿');
});

test('times, in the zone of the data', () => {
  const ms = Date.UTC(2026, 10, 22, 16, 5, 9);
  assert.equal(formatTime(ms, { timeZone: 'UTC' }), '16:05:09');
  assert.equal(formatTime(ms, { timeZone: '+08:00', seconds: false }), '00:05');
  assert.equal(formatTime(ms, { timeZone: '+08:00', date: true }), '2026-11-23 00:05:09');
  assert.equal(formatTime(ms, { timeZone: '-09:30', date: true }), '2026-11-22 06:35:09');
  assert.equal(formatTime(ms, { timeZone: '+05:45' }), '21:50:09');
  assert.equal(formatTime(Date.UTC(12026, 0, 1), { timeZone: 'UTC', date: true }), '+012026-01-01 00:00:00');
  assert.equal(formatTime(Number.MAX_SAFE_INTEGER, { timeZone: 'UTC', date: true }), '–');
  assert.equal(zoneMs('UTC'), 0);
  assert.equal(zoneMs('-00:30'), -1800000);
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
