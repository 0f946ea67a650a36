/* Addresses are passed around: each names one screen, and none makes a topic of foreign text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { allows, KINDS, linkTo, parseRoute, screenOf } from '../../src/dashboard/route.js';

test('an address names a screen', () => {
  assert.deepEqual(parseRoute(''), { kind: 'overview' });
  assert.deepEqual(parseRoute('#/'), { kind: 'overview' });
  assert.deepEqual(parseRoute('#/host/ling'), { kind: 'host', id: 'ling' });
  assert.deepEqual(parseRoute('#/session/douyin:6917@a~b'), { kind: 'session', id: 'douyin:6917@a~b' });
  assert.deepEqual(parseRoute('#/session/douyin%3A6917'), { kind: 'session', id: 'douyin:6917' });
  assert.deepEqual(parseRoute('#/county/422828'), { kind: 'county', id: '422828' });
  assert.deepEqual(parseRoute('#/province/33'), { kind: 'province', id: '33' });
  assert.deepEqual(parseRoute('#/sessions'), { kind: 'sessions' });
});

test('what is no address is told so', () => {
  const wrong = ['#/host', '#/host/', '#/host/a b', '#/host/a/b', '#/host/a%26n=5', '#/host/%', '#/x/1',
    `#/host/${'a'.repeat(65)}`, '#/county/4228', '#/county/422800', '#/county/922828', '#/province/3',
    '#/province/330000', '#/hosts/', '#/constructor/a', '#/toString'];
  for (const hash of wrong) assert.deepEqual(parseRoute(hash), { kind: 'none' }, hash);
});

test('a link leads where it says', () => {
  for (const kind of KINDS) {
    const id = ['county', 'province'].includes(kind) ? '422828'.slice(0, kind === 'county' ? 6 : 2) : 'a:b@c~.-_';
    assert.ok(allows(kind, id));
    assert.deepEqual(parseRoute(linkTo(kind, id)), { kind, id });
  }
  assert.deepEqual(parseRoute(linkTo('sessions')), { kind: 'sessions' });
});

test('a screen names its topics', () => {
  const session = screenOf({ kind: 'session', id: 'room-9' });
  assert.equal(session.scope, 'session/room-9');
  assert.equal(session.series, 'series/session/room-9');
  assert.deepEqual(session.boards, [{ of: 'products', topic: 'top/products?session=room-9' }]);
  assert.equal(session.ticker, 'ticker/session/room-9');
  assert.deepEqual(screenOf({ kind: 'none' }).boards, []);
});
