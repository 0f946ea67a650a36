/*
 * livetally.js: the live totals of livetallyd, in browsers and in Node. One module, no dependency.
 *
 *   const live = new Live({ url: 'ws://127.0.0.1:8090' });
 *   live.on('update', ({ topics }) => { if (topics.has('total')) show(live.get('total')); });
 *   live.on('state', ({ state, stale, since }) => grey(stale));
 *   live.subscribe(['total', 'top/hosts?n=5']);
 *
 * It keeps one WebSocket to /v1/live open for as long as it takes and a copy of what the server
 * said last. Values are absolute, so nothing is lost by missing some; only tickers and series are
 * added to. What is handed out by get() is never changed afterwards: the next update makes a new
 * object. A frame that makes no sense ends the connection, not the page: what else was in it is not
 * known, and a new snapshot mends it.
 *
 * Nothing here throws for what the server or the network does: that is told by events.
 */

const PATH = '/v1/live';
const SUBPROTOCOL = 'livetally.live.v1';
const TOPICS_MAX = 256; // of a connection, unless hello says otherwise
const TOPIC_FORM = /^[\x21-\x7e]{1,256}$/;
const CURRENCY_FORM = /^[A-Z]{3}$/;
const TIME_ZONE_FORM = /^(UTC|[+-]\d\d:\d\d)$/;
const CHUNK_TOPICS = 100; // of one message: it has to stay below 64 KiB
const MESSAGE_GAP_MS = 50; // more than 20 a second are answered late
const SERIES_MAX = 10080;

const CONNECT_MS = 10000; // until the server's greeting
const QUIET_MS = 20000; // the server says something every 15 s
const SILENCE_MS = 25000;
const SLEPT_MS = 5000; // a timer that late: the machine slept, or the page was frozen
const GRACE_MS = 2000; // for what came meanwhile to be read
const STABLE_MS = 10000; // a connection that lasted so long was a good one
const HURRY_MS = 500;
const RETRY_LIMIT_MS = 600000; // nobody is made to wait for longer
const ASK_AGAIN_MS = 2000;
const CLOCK_WINDOW_MS = 60000;

/* How long to wait before the next try: the first time at most, in the end at most. */
const PACE = { first: 500, last: 30000 };
const PACE_FULL = { first: 10000, last: 120000 };
const PACE_DENIED = { first: 30000, last: 300000 };
const DENIED = { 4401: 'unauthorized', 4403: 'forbidden', 4408: 'auth_timeout' };
const FULL = 4429;

class BadFrame extends Error {}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const stated = (value, form) => (typeof value === 'string' && form.test(value) ? value : undefined);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

function demand(condition, what) {
  if (!condition) throw new BadFrame(what);
}

/* ---------------------------------------------------------------------------------- topics --- */

const BOARD_OPTIONS = ['by', 'period', 'n'];

function isDefault(path, key, value, keys) {
  if (path.startsWith('series/')) return key === 'minutes' && value === '120';
  if (key === 'by') return value === 'gross';
  if (key === 'n') return value === '10';
  if (key !== 'period') return false;
  return value === (path === 'top/sessions' || keys.includes('session') ? 'all' : 'today');
}

/*
 * The name that the server uses for a topic: filter, by, period, n, and no defaults. What has no
 * proper form stays as it is, for the server to complain of.
 */
export function canonicalTopic(name) {
  const cut = name.indexOf('?');
  if (cut < 0 || !/^(top|series)\//.test(name)) return name;
  const path = name.slice(0, cut);
  const pairs = name.slice(cut + 1).split('&').map((pair) => pair.split('='));
  const keys = pairs.map(([key]) => key);
  if (pairs.some((pair) => pair.length !== 2) || new Set(keys).size !== keys.length) return name;
  const place = (key) => BOARD_OPTIONS.indexOf(key);
  const kept = pairs
    .filter(([key, value]) => !isDefault(path, key, value, keys))
    .sort(([a], [b]) => place(a) - place(b))
    .map((pair) => pair.join('='));
  return kept.length ? `${path}?${kept.join('&')}` : path;
}

/* --------------------------------------------------------------------------------- merging --- */

const COLUMNS = ['orders', 'gross', 'refunded'];

function checkSeries(series) {
  demand(Number.isSafeInteger(series.step_ms) && series.step_ms > 0, 'series without step_ms');
  demand(Number.isSafeInteger(series.start), 'series without start');
  for (const column of COLUMNS) {
    const values = series[column];
    demand(Array.isArray(values) && values.every(Number.isSafeInteger), `series: ${column}`);
    demand(values.length === series.gross.length && values.length <= SERIES_MAX, 'series: length');
  }
}

/* The window of `old`, moved so that it ends at endMs, with the values of `part` laid over it. */
function moveSeries(old, endMs, part) {
  const { step_ms: step } = old;
  const size = old.gross.length;
  const start = endMs - size * step;
  const moved = { step_ms: step, start };
  for (const column of COLUMNS) {
    const values = new Array(size).fill(0);
    for (const source of part ? [old, part] : [old]) {
      const offset = (source.start - start) / step;
      const first = Math.max(0, -offset);
      for (let i = first; i < source[column].length; i += 1) values[offset + i] = source[column][i];
    }
    moved[column] = values;
  }
  return moved;
}

const endOf = (series) => series.start + series.gross.length * series.step_ms;

function mergeSeries(old, part) {
  demand(part.step_ms === old.step_ms && (part.start - old.start) % old.step_ms === 0,
    'series: another step');
  return moveSeries(old, Math.max(endOf(old), endOf(part)), part);
}

/* Minutes without sales are not sent: the window moves on by the server's clock. */
function slideSeries(series, timeMs) {
  const endMs = timeMs - (timeMs % series.step_ms) + series.step_ms;
  return endMs > endOf(series) ? moveSeries(series, endMs, null) : series;
}

const ORDER_FIELDS = ['time', 'host_id', 'county', 'product_id', 'quantity', 'amount'];
const sameOrder = (a, b) => ORDER_FIELDS.every((field) => a[field] === b[field]);

function checkTicker(ticker) {
  demand(Array.isArray(ticker.orders) && ticker.orders.every(isObject), 'ticker without orders');
  demand(isCount(ticker.lost ?? 0), 'ticker: lost');
}

/*
 * How many of the orders that a new snapshot begins with are those that `old` ends with. Orders
 * have no names of their own here, so a run of equal ones is what tells.
 */
function overlap(old, orders) {
  const known = old.orders; // newest first
  for (let size = Math.min(known.length, orders.length); size > 0; size -= 1) {
    let i = 0;
    while (i < size && sameOrder(known[size - 1 - i], orders[i])) i += 1;
    if (i === size) return size;
  }
  return 0;
}

/* -------------------------------------------------------------------------- server's clock --- */

/*
 * A message is some time on its way, never less than none: of the differences seen lately the
 * largest is the nearest. Of the last one to two minutes, so that clocks may be set.
 */
class ServerClock {
  #best = null;
  #before = null;
  #sinceMs = 0;

  take(timeMs, nowMs) {
    const age = nowMs - this.#sinceMs;
    if (age < 0 || age >= CLOCK_WINDOW_MS) {
      this.#before = age < 2 * CLOCK_WINDOW_MS && age >= 0 ? this.#best : null;
      this.#best = null;
      this.#sinceMs = nowMs;
    }
    this.#best = Math.max(this.#best ?? -Infinity, timeMs - nowMs);
  }

  get offsetMs() {
    return Math.max(this.#best ?? 0, this.#before ?? this.#best ?? 0);
  }
}

/* -------------------------------------------------------------------------------- addresses --- */

function socketUrl(url) {
  const base = globalThis.location?.href;
  const full = new URL(url ?? PATH, base);
  if (full.protocol === 'http:') full.protocol = 'ws:';
  if (full.protocol === 'https:') full.protocol = 'wss:';
  if (full.protocol !== 'ws:' && full.protocol !== 'wss:') throw new TypeError('url: ws, wss, http or https');
  if (full.pathname === '/') full.pathname = PATH;
  full.hash = '';
  return full.href;
}

/* ------------------------------------------------------------------------------------ Live --- */

const EVENTS = ['update', 'state', 'error'];

function listOf(topics) {
  if (typeof topics === 'string') throw new TypeError('topics: an array of names');
  return topics;
}

export class Live {
  #options;
  #url;
  #handlers = new Map(EVENTS.map((event) => [event, new Set()]));
  #names = new Map(); // asked for: { count, topic }
  #topics = new Map(); // by canonical name; see #enter()
  #epoch = null;
  #currency;
  #timeZone;
  #ver = 0;
  #clock = new ServerClock();
  #orderSeq = 0;

  #socket = null;
  #greeted = false;
  #unanswered = 0; // subscribe messages of the greeting
  #topicsMax = TOPICS_MAX;
  #goodbye = null;
  #heardMs = 0;
  #liveMs = null; // since when
  #currentMs = null; // when values were last known to be of now
  #failures = 0;
  #denials = 0;
  #mayHurry = false;

  #state = 'connecting';
  #reason = null;
  #serverStale = false;
  #silent = false;
  #told = { state: 'connecting', stale: true, since: null, reason: null };

  #timers = { retry: null, watch: null, sync: null, again: null };
  #watchDueMs = 0;
  #syncing = false;
  #syncedMs = -Infinity;
  #shared = new Set(); // names asked for whose topic is here already
  #leaveNow = () => {};

  /*
   * url: ws(s)://HOST[:PORT][/PATH], or http(s); by default /v1/live of the page's own site.
   * token: text, or a function that returns one (or a promise of one) for each connection.
   * intervalMs: at most one update in so many ms. tickerOrders: how many orders a ticker keeps.
   * WebSocket: the class to use, where there is no global one (Node before 22: package ws).
   * random, now, setTimeout, clearTimeout, document, window: for tests.
   */
  constructor(options = {}) {
    this.#options = {
      intervalMs: 250,
      tickerOrders: 100,
      WebSocket: globalThis.WebSocket,
      random: Math.random,
      now: Date.now,
      setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      document: globalThis.document,
      window: globalThis.window,
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    };
    if (typeof this.#options.WebSocket !== 'function') {
      throw new TypeError('WebSocket: there is none here; give one, such as that of package ws');
    }
    this.#url = socketUrl(this.#options.url);
    this.#listenToPage();
    this.#connect();
  }

  /* Adds topics; each name is kept until it was unsubscribed as often. */
  subscribe(topics) {
    for (const name of listOf(topics)) {
      const known = this.#names.get(name);
      if (known) {
        known.count += 1;
      } else if (typeof name !== 'string' || !TOPIC_FORM.test(name)) {
        this.#fail('bad_topic', 'a topic is 1 to 256 characters of ASCII without blanks',
          typeof name === 'string' ? name : typeof name);
        continue;
      } else {
        this.#names.set(name, { count: 1, topic: this.#enter(name) });
      }
      if (this.#names.get(name).topic.value !== undefined) this.#shared.add(name);
    }
    this.#syncSoon();
  }

  unsubscribe(topics) {
    for (const name of listOf(topics)) {
      const known = this.#names.get(name);
      if (!known) continue;
      known.count -= 1;
      if (known.count > 0) continue;
      this.#names.delete(name);
      this.#shared.delete(name);
      known.topic.names.delete(name);
    }
    this.#syncSoon();
  }

  /*
   * What the server said last of a topic, or undefined. A series is its whole window; a ticker
   * lists its newest orders first, each with a `seq` that grows with every order that came.
   */
  get(topic) {
    return this.#names.get(topic)?.topic.value;
  }

  /*
   * Whether what get() returns may be of the past: all of it while `stale`, and that of a topic of
   * which the server has no answer at the moment. Its value stays, and it is asked for again.
   */
  isStale(topic) {
    const known = this.#names.get(topic)?.topic;
    return known?.value !== undefined && (this.#told.stale || !known.live);
  }

  /* Since when, by the local clock in ms; null where it isn't stale, or that is not known. */
  staleSince(topic) {
    if (!this.isStale(topic)) return null;
    const known = this.#names.get(topic).topic;
    return known.live ? this.#told.since : known.heldMs;
  }

  /* event: update, state or error. Returns a function that takes the handler off. */
  on(event, handler) {
    const handlers = this.#handlers.get(event);
    if (!handlers) throw new TypeError(`no such event: ${event}`);
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /* connecting, live, reconnecting or closed. */
  get state() {
    return this.#told.state;
  }

  /* Whether all that get() returns may be of the past; of a single one: isStale(). */
  get stale() {
    return this.#told.stale;
  }

  /* ISO 4217, of all amounts; undefined until the first greeting, and with an older server. */
  get currency() {
    return this.#currency;
  }

  /* What cuts the days of `today`: an offset like +08:00, or UTC; undefined likewise. */
  get timeZone() {
    return this.#timeZone;
  }

  /* ms since the epoch by the server's clock, as far as its messages tell. */
  serverNow() {
    return this.#options.now() + this.#clock.offsetMs;
  }

  /* For good. Values stay readable. */
  close() {
    if (this.#state === 'closed') return;
    for (const timer of Object.keys(this.#timers)) this.#disarm(timer);
    this.#leaveNow();
    this.#leaveSocket();
    this.#setState('closed', null);
    for (const handlers of this.#handlers.values()) handlers.clear();
  }

  /* ------------------------------------------------------------------------------ events --- */

  #emit(event, detail) {
    for (const handler of [...this.#handlers.get(event)]) {
      try {
        handler(detail);
      } catch (error) {
        queueMicrotask(() => { throw error; }); // theirs to see, but no reason to stop
      }
    }
  }

  #fail(code, message, topic) {
    this.#emit('error', topic === undefined ? { code, message } : { code, topic, message });
  }

  #setState(state, reason) {
    this.#state = state;
    this.#reason = reason;
    this.#tellState();
  }

  #tellState() {
    const live = this.#state === 'live';
    const stale = !live || this.#serverStale || this.#silent;
    let reason = this.#reason;
    if (live) reason = this.#silent ? 'silent' : this.#serverStale ? 'store' : null;
    const since = stale ? this.#currentMs : null;
    const last = this.#told;
    if (last.state === this.#state && last.stale === stale && last.reason === reason) return;
    this.#told = { state: this.#state, stale, since, reason };
    this.#emit('state', { ...this.#told });
  }

  #tellUpdate(topics, snapshot, time) {
    if (topics.size === 0) return;
    this.#emit('update', { topics, snapshot, ver: this.#ver, time, epoch: this.#epoch });
  }

  /* ------------------------------------------------------------------------------ timers --- */

  #arm(timer, ms, run) {
    this.#disarm(timer);
    this.#timers[timer] = this.#options.setTimeout(() => {
      this.#timers[timer] = null;
      run();
    }, ms);
  }

  #disarm(timer) {
    if (this.#timers[timer] !== null) this.#options.clearTimeout(this.#timers[timer]);
    this.#timers[timer] = null;
  }

  #watch(ms) {
    this.#watchDueMs = this.#options.now() + ms;
    this.#arm('watch', ms, () => this.#look());
  }

  /* Is there still somebody? */
  #look() {
    const now = this.#options.now();
    const slept = now - this.#watchDueMs > SLEPT_MS;
    if (now < this.#heardMs) this.#heardMs = now; // the clock was set back
    const idle = now - this.#heardMs;
    const limit = this.#greeted ? SILENCE_MS : CONNECT_MS;
    if (idle >= limit && !slept) {
      this.#drop('silent');
      return;
    }
    this.#silent = this.#greeted && idle >= QUIET_MS;
    this.#tellState();
    if (!this.#socket) return; // a handler closed us
    if (idle >= limit) this.#watch(GRACE_MS);
    else this.#watch((this.#greeted && !this.#silent ? QUIET_MS : limit) - idle);
  }

  /* A page that is looked at again, or a network that is back, need not wait. */
  #listenToPage() {
    const { document, window } = this.#options;
    const hurry = () => {
      if (document?.visibilityState !== 'hidden') this.#hurry();
    };
    document?.addEventListener?.('visibilitychange', hurry);
    window?.addEventListener?.('online', hurry);
    this.#leaveNow = () => {
      document?.removeEventListener?.('visibilitychange', hurry);
      window?.removeEventListener?.('online', hurry);
    };
  }

  #hurry() {
    if (this.#socket) this.#look();
    else if (this.#timers.retry !== null && this.#mayHurry) {
      this.#mayHurry = false;
      this.#arm('retry', this.#options.random() * HURRY_MS, () => this.#connect());
    }
  }

  /* -------------------------------------------------------------------------- connection --- */

  #connect() {
    const { token } = this.#options;
    if (typeof token !== 'function') {
      this.#open(token);
      return;
    }
    new Promise((resolve) => { resolve(token()); }).then(
      (text) => { if (this.#state !== 'closed') this.#open(text); },
      (error) => {
        if (this.#state === 'closed') return;
        this.#fail('token', String(error?.message ?? error));
        this.#retry('token', null);
      },
    );
  }

  #open(token) {
    let socket;
    try {
      socket = new this.#options.WebSocket(this.#url, SUBPROTOCOL);
    } catch (error) {
      this.#fail('connect', String(error?.message ?? error));
      this.#retry('connect', null);
      return;
    }
    this.#socket = socket;
    this.#goodbye = null;
    this.#heardMs = this.#options.now();
    socket.onopen = () => {
      if (socket === this.#socket && token) this.#send({ type: 'auth', token });
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#ended(event?.code);
    };
    socket.onerror = () => {}; // the close that follows says as much
    this.#watch(CONNECT_MS);
  }

  #send(message) {
    try {
      this.#socket.send(JSON.stringify(message));
    } catch {
      this.#drop('disconnected');
    }
  }

  #leaveSocket() {
    const socket = this.#socket;
    this.#socket = null;
    this.#greeted = false;
    try {
      socket?.close();
    } catch { /* it never was open */ }
  }

  #drop(reason) {
    this.#leaveSocket();
    this.#retry(reason, null);
  }

  #ended(code) {
    this.#leaveSocket();
    this.#retry(this.#goodbye?.code ?? DENIED[code] ?? (code === FULL ? 'too_many_connections'
      : 'disconnected'), code);
  }

  #retry(reason, code) {
    if (this.#state === 'closed') return;
    const now = this.#options.now();
    for (const timer of ['watch', 'sync', 'again']) this.#disarm(timer);
    if (this.#liveMs !== null && now - this.#liveMs >= STABLE_MS) this.#failures = this.#denials = 0;
    this.#liveMs = null;
    this.#silent = false;
    this.#serverStale = false;
    for (const topic of this.#topics.values()) {
      this.#hold(topic);
      topic.refused = false;
    }
    this.#setState('reconnecting', reason);
    if (this.#state === 'closed') return; // a handler did
    this.#arm('retry', this.#delayMs(code), () => this.#connect());
  }

  /*
   * Half of it for certain and half at random, so that pages do not come back all at once, and not
   * before the server wants them to. Who is not let in comes back seldom: the same token is no
   * better the next time, unless it is asked for anew.
   */
  #delayMs(code) {
    const denied = DENIED[code] !== undefined
      && !(typeof this.#options.token === 'function' && this.#denials === 0);
    const pace = denied ? PACE_DENIED : code === FULL ? PACE_FULL : PACE;
    const times = denied ? this.#denials : this.#failures;
    const longest = Math.min(pace.last, pace.first * 2 ** Math.min(times, 20));
    const asked = this.#goodbye?.retryMs ?? 0;
    if (DENIED[code] !== undefined) this.#denials += 1;
    else this.#failures += 1;
    this.#mayHurry = pace === PACE && asked === 0;
    this.#goodbye = null;
    return Math.max(asked, longest / 2 + (this.#options.random() * longest) / 2);
  }

  /* ---------------------------------------------------------------------------- messages --- */

  #receive(text) {
    try {
      demand(typeof text === 'string', 'a message that is not text');
      const message = JSON.parse(text);
      demand(isObject(message), 'a message that is not an object');
      this.#heard(message);
      this.#handle(message);
    } catch (error) {
      this.#fail('bad_frame', String(error?.message ?? error));
      if (this.#socket) this.#drop('bad_frame');
    }
  }

  #heard(message) {
    this.#heardMs = this.#options.now();
    if (Number.isSafeInteger(message.time)) this.#clock.take(message.time, this.#heardMs);
    if (this.#silent) {
      this.#silent = false;
      this.#watch(QUIET_MS);
    }
    if (typeof message.stale === 'boolean') this.#serverStale = message.stale;
    if (this.#state === 'live' && !this.#serverStale) this.#currentMs = this.#heardMs;
  }

  #handle(message) {
    switch (message.type) {
      case 'hello':
        this.#greet(message);
        break;
      case 'snapshot':
      case 'update':
        this.#take(message);
        break;
      case 'heartbeat':
        if (isCount(message.ver)) this.#ver = message.ver;
        this.#tellState();
        this.#tellUpdate(this.#slide(message.time), false, message.time);
        break;
      case 'goodbye':
        this.#goodbye = {
          code: typeof message.code === 'string' ? message.code : undefined,
          retryMs: isCount(message.retry_after_ms)
            ? Math.min(message.retry_after_ms, RETRY_LIMIT_MS) : 0,
        };
        break;
      case 'error':
        this.#fail(String(message.code), String(message.error));
        break;
      default: // of a newer server
    }
  }

  #greet(hello) {
    demand(typeof hello.epoch === 'string', 'hello without epoch');
    const topicsMax = hello.limits?.topics;
    this.#topicsMax = isCount(topicsMax) && topicsMax > 0 ? topicsMax : TOPICS_MAX;
    this.#currency = stated(hello.currency, CURRENCY_FORM);
    this.#timeZone = stated(hello.time_zone, TIME_ZONE_FORM);
    this.#greeted = true;
    this.#meetEpoch(hello.epoch, hello.time);
    this.#unanswered = this.#sync();
    if (this.#unanswered === 0) this.#goLive();
  }

  #goLive() {
    if (this.#state === 'live' || !this.#socket) return;
    this.#liveMs = this.#options.now();
    if (!this.#serverStale) this.#currentMs = this.#liveMs;
    this.#setState('live', null);
  }

  /* A new epoch is another data set: nothing of the last one holds. */
  #meetEpoch(epoch, time) {
    const forgotten = new Set();
    if (this.#epoch !== null && epoch !== this.#epoch) {
      for (const topic of this.#topics.values()) {
        if (topic.value === undefined) continue;
        topic.value = undefined;
        for (const name of topic.names) forgotten.add(name);
      }
      this.#ver = 0;
    }
    this.#epoch = epoch;
    this.#tellUpdate(forgotten, true, time);
  }

  #take(message) {
    const snapshot = message.type === 'snapshot';
    const changed = new Set();
    demand(typeof message.epoch === 'string', `${message.type} without epoch`);
    demand(isObject(message.topics), `${message.type} without topics`);
    this.#meetEpoch(message.epoch, message.time);
    if (isCount(message.ver)) this.#ver = message.ver;
    for (const [name, payload] of Object.entries(message.topics)) {
      const topic = this.#topics.get(name);
      if (!topic || (!snapshot && !topic.live)) continue; // no longer, or not yet
      this.#merge(topic, payload, snapshot);
      for (const asked of topic.names) changed.add(asked);
    }
    if (snapshot) this.#takeErrors(message.errors ?? [], changed);
    for (const name of this.#slide(message.time)) changed.add(name);
    this.#finish(message, snapshot, changed);
  }

  #finish(message, snapshot, changed) {
    if (snapshot && this.#unanswered > 0) this.#unanswered -= 1;
    if (snapshot && this.#unanswered === 0) this.#goLive();
    this.#tellState();
    this.#tellUpdate(changed, snapshot, message.time);
  }

  #merge(topic, payload, snapshot) {
    demand(isObject(payload), `${topic.name}: not an object`);
    if (topic.name.startsWith('series/')) {
      checkSeries(payload);
      topic.value = snapshot ? payload : mergeSeries(topic.value, payload);
    } else if (/^ticker(\/|$)/.test(topic.name)) {
      checkTicker(payload);
      topic.value = this.#mergeTicker(topic.value, payload, snapshot);
    } else {
      topic.value = payload;
    }
    topic.live = true;
  }

  /* After a reconnect most of a snapshot's orders are known, and keep their seq. */
  #mergeTicker(old, part, snapshot) {
    const known = snapshot && old ? overlap(old, part.orders) : 0;
    const kept = old && (!snapshot || known > 0) ? old : { orders: [], lost: 0 };
    const orders = part.orders.slice(known).map((order) => {
      this.#orderSeq += 1;
      return { ...order, seq: this.#orderSeq };
    });
    return {
      orders: [...orders.reverse(), ...kept.orders].slice(0, this.#options.tickerOrders),
      lost: kept.lost + (snapshot ? 0 : part.lost ?? 0),
    };
  }

  /* Moves series on to the minute of `time`. Returns the names of those that moved. */
  #slide(time) {
    const moved = new Set();
    if (!Number.isSafeInteger(time) || this.#serverStale) return moved;
    for (const topic of this.#topics.values()) {
      if (!topic.live || !topic.name.startsWith('series/')) continue;
      const value = slideSeries(topic.value, time);
      if (value === topic.value) continue;
      topic.value = value;
      for (const name of topic.names) moved.add(name);
    }
    return moved;
  }

  #takeErrors(errors, changed) {
    demand(Array.isArray(errors) && errors.every(isObject), 'snapshot: errors');
    for (const { topic: name, code, error } of errors) {
      const topic = this.#topics.get(name);
      if (!topic) continue;
      this.#hold(topic);
      topic.refused = true;
      if (topic.value !== undefined) for (const asked of topic.names) changed.add(asked);
      if (code === 'unavailable') this.#askAgain();
      else topic.value = undefined;
      for (const asked of topic.names) this.#fail(String(code), String(error), asked);
    }
  }

  /* --------------------------------------------------------------------- what is asked for --- */

  /*
   * What is known of a topic: the names it was asked for by; the last value; whether it was
   * subscribed to on this connection, and a snapshot of it came (live), else when the value was
   * last of now (heldMs); whether it was refused, and not asked for again yet; whether it was told
   * that there is no room.
   */
  #enter(name) {
    const canonical = canonicalTopic(name);
    let topic = this.#topics.get(canonical);
    if (!topic) {
      topic = { name: canonical, names: new Set(), value: undefined, sent: false, live: false,
        heldMs: null, refused: false, told: false };
      this.#topics.set(canonical, topic);
    }
    topic.names.add(name);
    return topic;
  }

  /* Until the server sends it again it is of the past. */
  #hold(topic) {
    if (topic.live) topic.heldMs = this.#currentMs;
    topic.sent = topic.live = false;
  }

  #askAgain() {
    if (this.#timers.again !== null) return;
    this.#arm('again', ASK_AGAIN_MS * (1 + this.#options.random()), () => {
      for (const topic of this.#topics.values()) topic.refused = false;
      this.#sync();
    });
  }

  /* Together with all else that is asked for in this turn. */
  #syncSoon() {
    if (this.#syncing || this.#timers.sync !== null || this.#state === 'closed') return;
    const wait = this.#syncedMs + MESSAGE_GAP_MS - this.#options.now();
    if (wait > 0) {
      this.#arm('sync', Math.min(wait, MESSAGE_GAP_MS), () => this.#sync());
      return;
    }
    this.#syncing = true;
    queueMicrotask(() => {
      this.#syncing = false;
      if (this.#state !== 'closed') this.#sync();
    });
  }

  /* Tells the server what is wanted now. Returns how many snapshots are to come. */
  #sync() {
    const shared = this.#shared;
    this.#shared = new Set();
    this.#disarm('sync');
    this.#syncedMs = this.#options.now();
    this.#tellUpdate(shared, true, this.serverNow());
    const gone = this.#forgetUnasked();
    if (!this.#greeted) return 0;
    if (gone.length > 0) this.#sendChunks('unsubscribe', gone);
    return this.#sendChunks('subscribe', this.#wanted());
  }

  /* Returns those that the server still sends. */
  #forgetUnasked() {
    const gone = [];
    for (const topic of this.#topics.values()) {
      if (topic.names.size > 0) continue;
      this.#topics.delete(topic.name);
      if (topic.sent) gone.push(topic.name);
    }
    return gone;
  }

  #wanted() {
    const wanted = [];
    let room = this.#topicsMax;
    for (const topic of this.#topics.values()) if (topic.sent) room -= 1;
    for (const topic of this.#topics.values()) {
      if (topic.sent || topic.refused) continue;
      if (room > 0) {
        room -= 1;
        topic.sent = true;
        topic.told = false;
        wanted.push(topic.name);
      } else if (!topic.told) {
        topic.told = true;
        for (const name of topic.names) {
          this.#fail('too_many_topics', `${this.#topicsMax} topics at most`, name);
        }
      }
    }
    return wanted;
  }

  #sendChunks(type, topics) {
    const interval = type === 'subscribe' ? { interval_ms: this.#options.intervalMs } : {};
    let sent = 0;
    for (let i = 0; i < topics.length && this.#socket; i += CHUNK_TOPICS) {
      this.#send({ type, topics: topics.slice(i, i + CHUNK_TOPICS), ...interval });
      sent += 1;
    }
    return sent;
  }
}
