import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { loadNames } from '../../src/dashboard/names.js';

const provinces = readFileSync(new URL('../../src/dashboard/provinces.csv', import.meta.url), 'utf8');
const counties = `code,name_zh,name_en,prefecture_zh,prefecture_en
110105,朝阳区,Chaoyang District,,
140428,长子县,"Zhangzi ""Eldest"" County, Shanxi",长治市,Changzhi
211302,双塔区,Shuangta District,朝阳市,Chaoyang
422825,宣恩县,Xuan'en County,恩施土家族苗族自治州,Enshi Prefecture
422828,鹤峰县,Hefeng County,恩施土家族苗族自治州,Enshi Prefecture
532531,绿春县,Lüchun County,红河哈尼族彝族自治州,Honghe Prefecture
419001,济源市,,,
`;

function serving(files) {
  return { fetch: async (path) => ({ ok: path in files, text: async () => files[path] ?? 'gone' }) };
}

const names = await loadNames(serving({ '/provinces.csv': provinces, '/counties.csv': counties }));
const codes = (text) => names.search(text).map((place) => place.code);

test('names of all three kinds, in both languages', () => {
  assert.deepEqual(names.county('422828'), { zh: '鹤峰县', en: 'Hefeng County' });
  assert.equal(names.county('140428').en, 'Zhangzi "Eldest" County, Shanxi');
  assert.deepEqual(names.prefecture('4228'),
    { zh: '恩施土家族苗族自治州', en: 'Enshi Prefecture' });
  assert.equal(names.province('42').zh, '湖北省');
  assert.equal(names.province('42').en, 'Hubei');
});

test('what has no name is undefined', () => {
  for (const code of ['999999', '', '42']) assert.equal(names.county(code), undefined);
  assert.equal(names.prefecture('1101'), undefined);
  assert.equal(names.province('99'), undefined);
});

test('a county without an English name has its Chinese one', () => {
  assert.deepEqual(names.county('419001'), { zh: '济源市', en: '济源市' });
});

test('all 34 provinces have names', () => {
  const all = provinces.trim().split('\n').slice(1).map((line) => line.slice(0, 2));
  assert.equal(all.length, 34);
  for (const code of all) {
    assert.match(names.province(code).en, /^[A-Z][A-Za-z ]+$/);
    assert.match(names.province(code).zh, /^\p{Script=Han}+$/u);
  }
});

test('search by either language, by sound and by code', () => {
  assert.deepEqual(names.search('鹤峰'),
    [{ code: '422828', zh: '鹤峰县', en: 'Hefeng County', kind: 'county' }]);
  assert.deepEqual(codes('HEFENG'), ['422828']);
  assert.deepEqual(codes('xuanen'), ['422825']);
  assert.deepEqual(codes('luchun'), ['532531']);
  assert.deepEqual(codes('4228'), ['4228', '422825', '422828']);
  assert.deepEqual(codes('湖北'), ['42']);
});

test('the best fit comes first, then the larger place', () => {
  assert.deepEqual(codes('chaoyang'), ['2113', '110105']);
  assert.deepEqual(codes('朝阳'), ['2113', '110105']);
  assert.equal(names.search('a', 3).length, 3);
  assert.deepEqual(names.search(' '), []);
  assert.deepEqual(names.search('nowhere at all'), []);
});

test('without files there are no names, and no error', async () => {
  const none = await loadNames(serving({}));
  assert.equal(none.county('422828'), undefined);
  assert.equal(none.province('42'), undefined);
  assert.deepEqual(none.search('42'), []);
  const offline = await loadNames({ fetch: async () => { throw new TypeError('offline'); } });
  assert.equal(offline.province('42'), undefined);
  const bare = await loadNames(serving({
    '/provinces.csv': provinces, '/counties.csv': 'code,name_zh,name_en\n' }));
  assert.equal(bare.province('42').en, 'Hubei');
});
