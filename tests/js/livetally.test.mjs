/* livetally.js against a server that says what the test wants it to, at a time of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Live, canonicalTopic } from '../../src/dashboard/livetally.js';
import { FakeClock, FakeTarget, fakeSockets, settle } from './fakes.mjs';

const MINUTE = 60000;

/* A Live, its clock, its sockets and all it told. */
function start(options = {}) {
  const clock = new FakeClock();
  const WebSocket = fakeSockets();
  const live = new Live({
    url: 'ws://127.0.0.1:1',
    WebSocket,
    random: () => 0,
    now: clock.now,
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    ...options,
  });
  const told = { update: [], state: [], error: [] };
  for (const event of Object.keys(told)) live.on(event, (detail) => told[event].push(detail));
  const server = {
    get socket() { return WebSocket.last; },
    get sent() { return this.socket.sent; },
    greet(extra = {}) {
      this.socket.open();
      this.socket.say({ type: 'hello', epoch: 'e1', time: clock.nowMs, limits: { topics: 256 }, ...extra });
    },
    show(type, topics, extra = {}) {
      this.socket.say({ type, epoch: 'e1', ver: 1, time: clock.nowMs, stale: false, topics, ...extra });
    },
  };
  return { live, clock, WebSocket, told, server };
}

/* The same, connected and subscribed, with a first snapshot. */
async function startLive(topics, options = {}) {
  const world = start(options);
  world.live.subscribe(Object.keys(topics));
  await settle();
  world.server.greet();
  world.server.show('snapshot', topics);
  return world;
}

/* The connection ends, and the next one is tried. Returns after how many ms. */
async function reconnect({ server, clock, WebSocket }, code = 1006) {
  const { length } = WebSocket.all;
  const endedMs = clock.nowMs;
  server.socket.end(code);
  while (WebSocket.all.length === length) await clock.advance(clock.nextMs);
  return clock.nowMs - endedMs;
}

const series = (startMs, gross) => ({
  step_ms: MINUTE, start: startMs, orders: gross.map((v) => (v ? 1 : 0)), gross,
  refunded: gross.map(() => 0),
});
const order = (n) => ({ time: n, host_id: 'h', county: '420100', product_id: 'p', quantity: 1, amount: n });

test('authenticates first, then subscribes when greeted, in one message', async () => {
  const { live, server } = start({ token: 'secret', intervalMs: 500 });
  live.subscribe(['total']);
  live.subscribe(['ticker']);
  await settle();
  assert.equal(server.socket.url, 'ws://127.0.0.1:1/v1/live');
  assert.equal(server.socket.protocol, 'livetally.live.v1');
  assert.deepEqual(server.sent, []);
  server.greet();
  assert.deepEqual(server.sent, [
    { type: 'auth', token: 'secret' },
    { type: 'subscribe', topics: ['total', 'ticker'], interval_ms: 500 },
  ]);
});

test('a token may be asked for anew for each connection', async () => {
  let asked = 0;
  const { clock, server } = start({ token: async () => { asked += 1; return `token-${asked}`; } });
  await settle();
  server.greet();
  assert.deepEqual(server.sent[0], { type: 'auth', token: 'token-1' });
  server.socket.end(4401);
  await clock.advance(1000);
  server.greet();
  assert.deepEqual(server.sent[0], { type: 'auth', token: 'token-2' });
});

test('a token that cannot be had is told, and asked for again', async () => {
  let tries = 0;
  const { clock, server, told } = start({
    token: () => { tries += 1; if (tries < 3) throw new Error('not now'); return 'x'; },
  });
  await clock.advance(5000);
  assert.deepEqual(told.error.map((error) => error.code), ['token', 'token']);
  server.greet();
  assert.equal(server.sent[0].token, 'x');
});

test('the currency and the time zone are those of the last greeting that states them well', async () => {
  const { live, server } = start();
  const known = () => [live.currency, live.timeZone];
  await settle();
  assert.deepEqual(known(), [undefined, undefined]);
  for (const [hello, expected] of [
    [{ currency: 'CNY', time_zone: '+08:00' }, ['CNY', '+08:00']],
    [{ currency: 'JPY', time_zone: 'UTC' }, ['JPY', 'UTC']],
    [{ currency: '<b>', time_zone: '8' }, [undefined, undefined]],
    [{ currency: 7, time_zone: {} }, [undefined, undefined]],
    [{}, [undefined, undefined]],
  ]) {
    server.greet(hello);
    assert.deepEqual(known(), expected);
  }
});

test('absolute values replace each other', async () => {
  const { live, server, told } = await startLive({ total: { n: 1 }, 'top/hosts': { rows: [] } });
  const first = live.get('total');
  server.show('update', { total: { n: 2 } }, { ver: 7 });
  assert.deepEqual(live.get('total'), { n: 2 });
  assert.deepEqual(first, { n: 1 }, 'what was handed out stays as it was');
  const { topics, snapshot, ver, epoch } = told.update.at(-1);
  assert.deepEqual([[...topics], snapshot, ver, epoch], [['total'], false, 7, 'e1']);
  assert.equal(told.update[0].snapshot, true);
});

test('names are those asked for, however they are spelled', async () => {
  const { live, server, told } = start();
  live.subscribe(['top/products?n=5&session=s', 'top/products?session=s&period=all&n=5', 'total']);
  await settle();
  server.greet();
  assert.deepEqual(server.sent[0].topics, ['top/products?session=s&n=5', 'total']);
  server.show('snapshot', { 'top/products?session=s&n=5': { rows: [1] } });
  assert.deepEqual(live.get('top/products?n=5&session=s'), { rows: [1] });
  assert.deepEqual([...told.update[0].topics],
    ['top/products?n=5&session=s', 'top/products?session=s&period=all&n=5']);
  assert.equal(live.get('top/products?session=s'), undefined);
});

test('canonical names', () => {
  const names = {
    total: 'total',
    'top/hosts?by=gross&period=today&n=10': 'top/hosts',
    'top/hosts?n=3&by=net&county=420100': 'top/hosts?county=420100&by=net&n=3',
    'top/sessions?period=all': 'top/sessions',
    'top/sessions?period=today': 'top/sessions?period=today',
    'top/products?session=s&period=all': 'top/products?session=s',
    'top/hosts?period=all&n=100': 'top/hosts?period=all&n=100',
    'series/total?minutes=120': 'series/total',
    'series/host/h?minutes=60': 'series/host/h?minutes=60',
    'top/hosts?n=3&n=4': 'top/hosts?n=3&n=4',
    'top/hosts?': 'top/hosts?',
    'host/a?b': 'host/a?b',
  };
  for (const [name, canonical] of Object.entries(names)) assert.equal(canonicalTopic(name), canonical);
});

test('a name is kept until it was unsubscribed as often', async () => {
  const { live, server, clock } = await startLive({ total: { n: 1 } });
  live.subscribe(['total']);
  live.unsubscribe(['total']);
  await clock.advance(100);
  assert.deepEqual(live.get('total'), { n: 1 });
  assert.equal(server.sent.length, 1);
  live.unsubscribe(['total', 'never']);
  await clock.advance(100);
  assert.equal(live.get('total'), undefined);
  assert.deepEqual(server.sent.at(-1), { type: 'unsubscribe', topics: ['total'] });
  server.show('update', { total: { n: 2 } });
  assert.equal(live.get('total'), undefined, 'it was on its way');
});

test('what two screens share is neither dropped nor asked for again between them', async () => {
  const { live, server, clock, told } = await startLive({ total: { n: 1 } });
  live.unsubscribe(['total']);
  live.subscribe(['total', 'ticker']);
  assert.deepEqual(live.get('total'), { n: 1 });
  await clock.advance(100);
  assert.deepEqual(server.sent.slice(1), [{ type: 'subscribe', topics: ['ticker'], interval_ms: 250 }]);
  assert.deepEqual([...told.update.at(-1).topics], ['total'], 'told to whoever came later');
  assert.equal(told.update.at(-1).snapshot, true);
});

test('never more than 20 messages a second', async () => {
  const { live, server, clock } = await startLive({ total: {} });
  for (let i = 0; i < 100; i += 1) {
    live.subscribe([`host/h${i}`]);
    await clock.advance(10);
  }
  await clock.advance(100);
  assert.ok(server.sent.length <= 23, `${server.sent.length}`);
  assert.equal(new Set(server.sent.flatMap((message) => message.topics)).size, 101);
});

test('an update of a topic that no snapshot of this connection had is left out', async () => {
  const world = await startLive({ ticker: { orders: [order(1)], lost: 0 } });
  const { live, server } = world;
  await reconnect(world);
  server.greet();
  server.show('update', { ticker: { orders: [order(9)], lost: 0 } });
  assert.deepEqual(live.get('ticker').orders.map((o) => o.time), [1]);
  server.show('snapshot', { ticker: { orders: [order(9)], lost: 0 } });
  assert.deepEqual(live.get('ticker').orders.map((o) => o.time), [9]);
});

test('series become one window, which slides', async () => {
  const t0 = 30_000_000 * MINUTE;
  const { live, server, told, clock } = start();
  clock.nowMs = t0 + 3 * MINUTE + 1000;
  live.subscribe(['series/total?minutes=4']);
  await settle();
  server.greet();
  server.show('snapshot', { 'series/total?minutes=4': series(t0, [1, 2, 3, 4]) });
  const get = () => live.get('series/total?minutes=4');
  server.show('update', { 'series/total?minutes=4': series(t0 + 2 * MINUTE, [30, 40]) });
  assert.deepEqual(get().gross, [1, 2, 30, 40]);
  clock.nowMs += MINUTE;
  server.show('update', { 'series/total?minutes=4': series(t0 + 4 * MINUTE, [5]) });
  assert.deepEqual([get().start, get().gross], [t0 + MINUTE, [2, 30, 40, 5]]);
  server.show('update', { 'series/total?minutes=4': series(t0, [9, 8]) });
  assert.deepEqual(get().gross, [8, 30, 40, 5], 'a late order, half of it before the window');
  clock.nowMs += 2 * MINUTE;
  server.socket.say({ type: 'heartbeat', time: clock.nowMs, ver: 4 });
  assert.deepEqual([get().start, get().gross], [t0 + 3 * MINUTE, [40, 5, 0, 0]]);
  assert.deepEqual([...told.update.at(-1).topics], ['series/total?minutes=4']);
  server.show('update', {}, { stale: true, time: clock.nowMs + 5 * MINUTE });
  assert.deepEqual(get().gross, [40, 5, 0, 0], 'a server that cannot read knows of no zeros');
});

test('tickers: newest first, bounded, numbered, the same again after a reconnect', async () => {
  const world = await startLive(
    { ticker: { orders: [order(1), order(2)], lost: 7 } }, { tickerOrders: 5 });
  const { live, server } = world;
  const times = () => live.get('ticker').orders.map((o) => o.time);
  assert.deepEqual(times(), [2, 1]);
  assert.equal(live.get('ticker').lost, 0);
  server.show('update', { ticker: { orders: [order(3), order(4)], lost: 3 } });
  assert.deepEqual(times(), [4, 3, 2, 1]);
  assert.deepEqual(live.get('ticker').orders.map((o) => o.seq), [4, 3, 2, 1]);
  assert.equal(live.get('ticker').lost, 3);
  await reconnect(world);
  server.greet();
  server.show('snapshot', { ticker: { orders: [order(3), order(4), order(5), order(6)], lost: 0 } });
  assert.deepEqual(times(), [6, 5, 4, 3, 2]);
  assert.deepEqual(live.get('ticker').orders.map((o) => o.seq), [6, 5, 4, 3, 2]);
  server.show('snapshot', { ticker: { orders: [order(9)], lost: 0 } });
  assert.deepEqual(live.get('ticker').orders.map((o) => [o.time, o.seq]), [[9, 7]]);
});

test('another epoch: all is forgotten, and told', async () => {
  const { live, server, told } = await startLive({ total: { n: 1 }, 'host/a': { n: 1 } });
  server.show('update', {}, { epoch: 'e2' });
  assert.equal(live.get('total'), undefined);
  assert.deepEqual([...told.update.at(-1).topics], ['total', 'host/a']);
  assert.equal(told.update.at(-1).epoch, 'e2');
  server.show('snapshot', { total: { n: 5 } }, { epoch: 'e2' });
  assert.deepEqual(live.get('total'), { n: 5 });
  assert.equal(live.get('host/a'), undefined);
});

test('another epoch is noticed by the greeting after a reconnect', async () => {
  const { live, server, clock } = await startLive({ total: { n: 1 } });
  server.socket.end(1006);
  await clock.advance(1000);
  assert.deepEqual(live.get('total'), { n: 1 }, 'shown, greyed, meanwhile');
  server.greet({ epoch: 'e2' });
  assert.equal(live.get('total'), undefined);
});

test('state: connecting, live, reconnecting, closed', async () => {
  const { live, server, clock, told } = start();
  assert.deepEqual([live.state, live.stale], ['connecting', true]);
  live.subscribe(['total']);
  await settle();
  server.greet();
  assert.equal(live.state, 'connecting', 'no values yet');
  server.show('snapshot', { total: {} });
  const liveAt = clock.nowMs;
  assert.deepEqual([live.state, live.stale], ['live', false]);
  await clock.advance(5000);
  server.socket.end(1006);
  await clock.advance(300);
  server.greet();
  server.show('snapshot', { total: {} });
  live.close();
  assert.deepEqual(told.state, [
    { state: 'live', stale: false, since: null, reason: null },
    { state: 'reconnecting', stale: true, since: liveAt, reason: 'disconnected' },
    { state: 'live', stale: false, since: null, reason: null },
    { state: 'closed', stale: true, since: clock.nowMs, reason: null },
  ]);
  assert.ok(server.socket.closed);
  assert.deepEqual(clock.timers, []);
  await clock.advance(600000);
  assert.equal(live.state, 'closed');
});

test('the server says it is stale, and since when', async () => {
  const { live, server, told, clock } = await startLive({ total: {} });
  const good = clock.nowMs;
  await clock.advance(4000);
  server.show('update', {}, { stale: true });
  assert.deepEqual(told.state.at(-1), { state: 'live', stale: true, since: good, reason: 'store' });
  server.socket.say({ type: 'heartbeat', time: clock.nowMs, ver: 2 });
  assert.equal(live.stale, true);
  server.show('update', { total: {} }, { stale: false });
  assert.deepEqual(told.state.at(-1), { state: 'live', stale: false, since: null, reason: null });
});

test('silence: stale after 20 s, a new connection after 25 s', async () => {
  const { live, server, clock, told, WebSocket } = await startLive({ total: {} });
  await clock.advance(15000);
  server.socket.say({ type: 'heartbeat', time: clock.nowMs, ver: 2 });
  const heard = clock.nowMs;
  await clock.advance(19000);
  assert.equal(live.stale, false);
  await clock.advance(1500);
  assert.deepEqual(told.state.at(-1), { state: 'live', stale: true, since: heard, reason: 'silent' });
  const old = server.socket;
  await clock.advance(5000);
  assert.ok(old.closed);
  assert.deepEqual(told.state.at(-1).reason, 'silent');
  assert.equal(WebSocket.all.length, 2);
  old.say({ type: 'snapshot', epoch: 'e1', ver: 9, time: 1, stale: false, topics: { total: { n: 9 } } });
  assert.deepEqual(live.get('total'), {}, 'what an old connection says counts no more');
});

test('a heartbeat in time ends the doubt', async () => {
  const { live, server, clock, WebSocket } = await startLive({ total: {} });
  await clock.advance(21000);
  assert.equal(live.stale, true);
  server.socket.say({ type: 'heartbeat', time: clock.nowMs, ver: 2 });
  assert.equal(live.stale, false);
  await clock.advance(19000);
  assert.equal(live.stale, false);
  assert.equal(WebSocket.all.length, 1);
});

test('after a sleep what came meanwhile is read before the connection is given up', async () => {
  const { server, clock, WebSocket } = await startLive({ total: {} });
  await clock.sleep(3600000);
  assert.equal(WebSocket.all.length, 1);
  server.socket.say({ type: 'heartbeat', time: clock.nowMs, ver: 2 });
  await clock.advance(19000);
  assert.equal(WebSocket.all.length, 1);
  await clock.sleep(3600000);
  await clock.advance(2000);
  assert.ok(server.socket.closed, 'and is given up when nothing came');
});

test('a server that accepts and says nothing is left after 10 s', async () => {
  const { server, clock, WebSocket } = start();
  server.socket.open();
  await clock.advance(10000);
  assert.ok(WebSocket.all[0].closed);
  await clock.advance(300);
  assert.equal(WebSocket.all.length, 2);
});

/* Delays between a connection's end and the next try, n times, when none lasts. */
async function delays(code, count, options = {}, before = () => {}) {
  const world = start({ random: () => 1, ...options });
  const found = [];
  await settle();
  for (let i = 0; i < count; i += 1) {
    before(world);
    found.push(await reconnect(world, code));
  }
  return found;
}

test('retries come less and less often, and at random', async () => {
  assert.deepEqual(await delays(1006, 8), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.deepEqual(await delays(1006, 3, { random: () => 0 }), [250, 500, 1000]);
});

test('who is not let in comes back seldom', async () => {
  for (const code of [4401, 4403, 4408]) {
    assert.deepEqual(await delays(code, 5), [30000, 60000, 120000, 240000, 300000]);
  }
  assert.deepEqual(await delays(4401, 3, { token: () => 'new' }), [500, 60000, 120000],
    'a new token is worth one quick try');
});

test('a full server is asked more slowly', async () => {
  assert.deepEqual(await delays(4429, 5), [10000, 20000, 40000, 80000, 120000]);
});

test('a goodbye says how long to wait, and why', async () => {
  const goodbye = (retryMs) => ({ server }) => server.socket.say(
    { type: 'goodbye', code: 'shutting_down', message: 'x', retry_after_ms: retryMs });
  assert.deepEqual(await delays(1001, 2, {}, goodbye(3210)), [3210, 3210]);
  assert.deepEqual(await delays(1001, 3, {}, goodbye(10)), [500, 1000, 2000], 'never a storm');
  assert.deepEqual(await delays(1001, 1, {}, goodbye(1e12)), [600000], 'nor for ever');
  const { server, told } = start();
  goodbye(5)({ server });
  server.socket.end(1001);
  assert.equal(told.state.at(-1).reason, 'shutting_down');
});

test('a connection that lasted makes the next retry a quick one again', async () => {
  const world = start();
  const { live, server, clock } = world;
  live.subscribe(['total']);
  for (let i = 0; i < 6; i += 1) await reconnect(world);
  server.greet();
  server.show('snapshot', { total: {} });
  await clock.advance(9000);
  assert.equal(await reconnect(world), 15000);
  server.greet();
  server.show('snapshot', { total: {} });
  await clock.advance(10000);
  assert.equal(await reconnect(world), 250);
});

test('a connection that breaks right after its snapshot does not', async () => {
  const { live, server, clock, WebSocket } = start();
  live.subscribe(['total']);
  const { length } = WebSocket.all;
  for (let i = 0; i < 60; i += 1) {
    await clock.advance(1000);
    if (server.socket.opened) continue;
    server.greet();
    server.show('snapshot', { total: {} });
    server.socket.end(1006);
  }
  assert.ok(WebSocket.all.length - length < 9, `${WebSocket.all.length} tries in a minute`);
});

test('a page that is looked at again need not wait, unless the server asked for it', async () => {
  const window = new FakeTarget();
  const document = new FakeTarget();
  const world = start({ window, document, random: () => 1 });
  const { server, clock, WebSocket, live } = world;
  for (let i = 0; i < 7; i += 1) await reconnect(world);
  server.socket.end(1006);
  const { length } = WebSocket.all;
  document.visibilityState = 'hidden';
  document.fire('visibilitychange');
  await clock.advance(600);
  assert.equal(WebSocket.all.length, length);
  document.visibilityState = 'visible';
  document.fire('visibilitychange');
  await clock.advance(500);
  assert.equal(WebSocket.all.length, length + 1);
  server.socket.end(4401);
  await clock.advance(1000);
  window.fire('online');
  await clock.advance(1000);
  assert.equal(WebSocket.all.length, length + 1, 'no access: no hurry');
  live.close();
  assert.equal(window.handlers.size + document.handlers.size, 0);
});

test('a network that is back shows at once that a connection is dead', async () => {
  const window = new FakeTarget();
  const { server, clock } = await startLive({ total: {} }, { window });
  await clock.advance(19000);
  clock.nowMs += 8000;
  window.fire('online');
  assert.ok(!server.socket.closed, 'not before what waits could be read');
  await clock.advance(2000);
  assert.ok(server.socket.closed);
});

test('errors by topic, in the name asked for', async () => {
  const { live, server, told, clock } = start();
  live.subscribe(['nonsense', 'top/hosts?n=10', 'total']);
  await settle();
  server.greet();
  server.show('snapshot', { total: { n: 1 } }, { errors: [
    { topic: 'nonsense', code: 'bad_topic', error: 'there is no such topic' },
    { topic: 'top/hosts', code: 'forbidden_topic', error: 'not yours' }] });
  assert.deepEqual(told.error, [
    { code: 'bad_topic', topic: 'nonsense', message: 'there is no such topic' },
    { code: 'forbidden_topic', topic: 'top/hosts?n=10', message: 'not yours' }]);
  assert.deepEqual([live.state, live.get('total')], ['live', { n: 1 }]);
  await clock.advance(10000);
  assert.equal(server.sent.length, 1, 'not asked for again on this connection');
});

test('what is unavailable is asked for again', async () => {
  const { live, server, clock } = await startLive({ total: {} });
  live.subscribe(['session/s']);
  await clock.advance(100);
  server.show('snapshot', {}, { errors: [{ topic: 'session/s', code: 'unavailable', error: 'x' }] });
  await clock.advance(2000);
  assert.deepEqual(server.sent.at(-1).topics, ['session/s']);
  assert.equal(server.sent.length, 3);
  server.show('snapshot', { 'session/s': { n: 3 } });
  assert.deepEqual(live.get('session/s'), { n: 3 });
});

test('what is unavailable after a reconnect stays, stale since the connection broke', async () => {
  const world = await startLive({ total: { n: 1 }, 'top/hosts': { rows: [1] } });
  const { live, server, clock, told } = world;
  const stale = () => [live.stale, live.isStale('total'), live.isStale('top/hosts')];
  assert.deepEqual(stale(), [false, false, false]);
  assert.equal(live.staleSince('top/hosts'), null);
  const brokenMs = clock.nowMs;
  await reconnect(world);
  assert.deepEqual(stale(), [true, true, true]);
  assert.equal(live.staleSince('total'), brokenMs);
  await clock.advance(1000);
  server.greet();
  told.update.length = 0;
  server.show('snapshot', { total: { n: 2 } },
    { errors: [{ topic: 'top/hosts', code: 'unavailable', error: 'x' }] });
  assert.deepEqual(stale(), [false, false, true]);
  assert.deepEqual(live.get('top/hosts'), { rows: [1] });
  assert.deepEqual([live.staleSince('total'), live.staleSince('top/hosts')], [null, brokenMs]);
  assert.deepEqual([...told.update[0].topics].sort(), ['top/hosts', 'total'], 'both changed');
  await clock.advance(2000);
  assert.deepEqual(server.sent.at(-1).topics, ['top/hosts'], 'and is asked for again');
  server.show('snapshot', { 'top/hosts': { rows: [2] } });
  assert.deepEqual(live.get('top/hosts'), { rows: [2] });
  assert.deepEqual(stale(), [false, false, false]);
});

test('what is refused for good after a reconnect does not stay, nor what is of another epoch', async () => {
  const world = await startLive({ total: { n: 1 }, 'top/hosts': { rows: [1] } });
  const { live, server } = world;
  await reconnect(world);
  server.greet();
  server.show('snapshot', { total: { n: 2 } },
    { errors: [{ topic: 'top/hosts', code: 'forbidden_topic', error: 'x' }] });
  assert.equal(live.get('top/hosts'), undefined);
  assert.equal(live.isStale('top/hosts'), false, 'nothing is not old');
  await reconnect(world);
  server.greet({ epoch: 'e2' });
  server.show('snapshot', {}, { epoch: 'e2',
    errors: [{ topic: 'total', code: 'unavailable', error: 'x' }] });
  assert.equal(live.get('total'), undefined);
});

test('a topic is as stale as all of them, and since when nobody knows is said', async () => {
  const { live, server, clock } = start();
  live.subscribe(['total']);
  await settle();
  assert.deepEqual([live.isStale('total'), live.isStale('never')], [false, false]);
  server.greet();
  server.show('snapshot', { total: { n: 1 } }, { stale: true });
  assert.deepEqual([live.isStale('total'), live.staleSince('total')], [true, null]);
  server.show('update', {});
  assert.equal(live.isStale('total'), false);
  const currentMs = clock.nowMs;
  await clock.advance(500);
  server.show('update', {}, { stale: true });
  assert.deepEqual([live.isStale('total'), live.staleSince('total')], [true, currentMs]);
});

test('more topics than the server takes: told, and subscribed when there is room', async () => {
  const { live, server, told, clock } = start();
  const names = Array.from({ length: 258 }, (_, i) => `host/h${i}`);
  live.subscribe(names);
  await settle();
  server.greet();
  assert.deepEqual(server.sent.map((message) => message.topics.length), [100, 100, 56]);
  assert.deepEqual(told.error.map((error) => [error.code, error.topic]),
    [['too_many_topics', 'host/h256'], ['too_many_topics', 'host/h257']]);
  live.unsubscribe(['host/h0']);
  await clock.advance(100);
  assert.deepEqual(server.sent.slice(3), [
    { type: 'unsubscribe', topics: ['host/h0'] },
    { type: 'subscribe', topics: ['host/h256'], interval_ms: 250 }]);
  assert.equal(told.error.length, 2);
});

test('what is no topic never reaches the server', async () => {
  const { live, server, told } = start();
  live.subscribe(['', 'a b', 'x'.repeat(257), 7, null, 'total']);
  await settle();
  server.greet();
  assert.deepEqual(server.sent[0].topics, ['total']);
  assert.deepEqual(told.error.map((error) => error.code), Array(5).fill('bad_topic'));
  assert.throws(() => live.subscribe('total'), TypeError);
  assert.throws(() => live.on('updates', () => {}), TypeError);
});

test('frames that make no sense end the connection, and nothing else', async () => {
  const good = { type: 'update', epoch: 'e1', ver: 2, time: 5, stale: false };
  const bad = [
    'not json', '[]', 'null', '7', '', { ...good, topics: [] }, { ...good, topics: { total: 3 } },
    { ...good, topics: null }, { type: 'update', topics: {} }, { ...good, topics: { 'series/total': {} } },
    { ...good, topics: { 'series/total': { ...series(0, [1]), gross: [1, 2] } } },
    { ...good, topics: { 'series/total': { ...series(0, [1]), step_ms: 0 } } },
    { ...good, topics: { 'series/total': series(1, [1]) } },
    { ...good, topics: { ticker: { orders: 5 } } }, { ...good, topics: { ticker: { orders: [null] } } },
    { ...good, type: 'snapshot', topics: {}, errors: [3] }, { type: 'hello', epoch: 5 },
  ];
  for (const frame of bad) {
    const { live, server, told, clock } = await startLive(
      { total: { n: 1 }, 'series/total': series(0, [1, 2]), ticker: { orders: [], lost: 0 } });
    server.socket.sayText(typeof frame === 'string' ? frame : JSON.stringify(frame));
    assert.deepEqual(told.error.map((error) => error.code), ['bad_frame'], JSON.stringify(frame));
    assert.equal(live.state, 'reconnecting');
    assert.ok(server.socket.closed);
    await clock.advance(500);
    server.greet();
    server.show('snapshot', { total: { n: 2 } });
    assert.deepEqual([live.state, live.get('total')], ['live', { n: 2 }]);
    live.close();
  }
});

test('a binary frame is a bad one, a message of an unknown type is none of ours', async () => {
  const { live, server, told } = await startLive({ total: {} });
  server.socket.say({ type: 'fireworks', topics: 5 });
  assert.equal(live.state, 'live');
  server.socket.say({ type: 'error', code: 'bad_type', error: 'what?' });
  assert.deepEqual(told.error, [{ code: 'bad_type', message: 'what?' }]);
  server.socket.onmessage({ data: new ArrayBuffer(4) });
  assert.equal(told.error.at(-1).code, 'bad_frame');
});

test('a handler that throws hurts nobody else', async () => {
  const seen = [];
  const problems = [];
  const keep = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => problems.push(error.message));
  try {
    const { live, server } = start();
    live.on('update', () => { throw new Error('mine'); });
    live.on('update', () => seen.push('second'));
    live.subscribe(['total']);
    await settle();
    server.greet();
    server.show('snapshot', { total: {} });
    await settle();
    assert.equal(live.state, 'live');
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of keep) process.on('uncaughtException', listener);
  }
  assert.deepEqual([seen, problems], [['second'], ['mine']]);
});

test('a handler may close, also in the middle of a message', async () => {
  for (const event of ['update', 'state', 'error']) {
    const { live, server, clock } = start();
    live.subscribe(['total', 'x']);
    await settle();
    live.on(event, () => live.close());
    server.greet();
    server.show('snapshot', { total: {} }, { errors: [{ topic: 'x', code: 'bad_topic', error: '' }] });
    assert.equal(live.state, 'closed');
    assert.deepEqual(clock.timers, []);
  }
});

test('a handler that was taken off hears nothing', async () => {
  const { live, server } = start();
  const seen = [];
  const off = live.on('state', (detail) => seen.push(detail));
  off();
  server.greet();
  assert.deepEqual(seen, []);
  assert.equal(live.state, 'live', 'with no topics the greeting is enough');
});

test('the server\'s clock: the least delayed of the last messages tells', async () => {
  const { live, server, clock } = await startLive({ total: {} });
  const heartbeat = (offsetMs) => server.socket.say(
    { type: 'heartbeat', time: clock.nowMs + offsetMs, ver: 1 });
  heartbeat(5000);
  heartbeat(4200);
  assert.equal(live.serverNow(), clock.nowMs + 5000);
  for (let i = 0; i < 20; i += 1) {
    await clock.advance(10000);
    heartbeat(-3000);
  }
  assert.equal(live.serverNow(), clock.nowMs - 3000, 'one of them was set');
});

test('addresses', () => {
  const WebSocket = fakeSockets();
  const urls = {
    'ws://a': 'ws://a/v1/live', 'http://a:80/': 'ws://a/v1/live', 'https://a/x/v1/live': 'wss://a/x/v1/live',
    'wss://a?token=t': 'wss://a/v1/live?token=t',
  };
  for (const [url, full] of Object.entries(urls)) {
    new Live({ url, WebSocket }).close();
    assert.equal(WebSocket.last.url, full);
  }
  assert.throws(() => new Live({ url: 'ftp://a', WebSocket }), TypeError);
  assert.throws(() => new Live({ url: 'ws://a', WebSocket: null }), TypeError);
  globalThis.location = { href: 'https://tally.example/#/host/x' };
  try {
    new Live({ WebSocket }).close();
    assert.equal(WebSocket.last.url, 'wss://tally.example/v1/live');
  } finally {
    delete globalThis.location;
  }
});
