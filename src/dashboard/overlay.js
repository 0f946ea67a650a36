/*
 * The stream overlay: what a session (or the day) has sold, on top of somebody's video.
 *
 *   /overlay?session=ID&show=total,goal,products,ticker&theme=dark|light&scale=1.5&lang=zh&token=…
 *
 * It shows nothing rather than something wrong: whenever the figures may not be those of now, all
 * of it fades out. Drawn at most once a frame, into elements that are made once; texts are written
 * only where they differ, and what moves does so by transform and opacity.
 */

import { Attribute, el, Style, Text } from './dom.js';
import {
  amountThatFits, formatAmount, formatCount, formatPercent, pickLanguage,
} from './format.js';
import { text } from './i18n.js';
import { Live } from './livetally.js';

const PARTS = ['total', 'goal', 'products', 'ticker'];
const PRODUCT_ROWS = 5;
const TICKER_ROWS = 5;
const TICKER_MS = 600; // between changes: faster than that nobody reads
const NAMES_MAX = 500; // product names remembered
const GRACE_MS = 2000; // a daemon that can't read says so after as long
const PRICE = [11, 6]; // figures, and of them before the point

const options = readOptions(new URLSearchParams(location.search));
const { lang, session } = options;
const t = (key, values) => text(lang, key, values);
/* An older daemon doesn't say what amounts are in; then it is what they are in by default. */
const currencyOf = () => live.currency ?? 'CNY';
const amount = (minor, how) => formatAmount(minor, { lang, currency: currencyOf(), ...how });
const compact = (minor, round) => amount(minor, { compact: true, round });
const fits = new Map(); // from which amount on that of an order would leave its name no room

/* Of an order: exact where there is room. */
function price(minor) {
  const currency = currencyOf();
  if (!fits.has(currency)) fits.set(currency, amountThatFits(...PRICE, { lang, currency }));
  return minor < fits.get(currency) ? amount(minor) : compact(minor);
}
const topics = session
  ? { scope: `session/${session}`, products: `top/products?session=${session}&n=${PRODUCT_ROWS}`,
    ticker: `ticker/session/${session}` }
  : { scope: 'total', products: `top/products?n=${PRODUCT_ROWS}`, ticker: 'ticker' };

/* What is no option of ours, or has no sense, counts as not given. */
function readOptions(search) {
  const asked = (search.get('show') ?? '').split(',').filter((part) => PARTS.includes(part));
  const scale = Number(search.get('scale'));
  return {
    session: search.get('session') || null,
    show: asked.length ? [...new Set(asked)] : PARTS,
    theme: search.get('theme') === 'light' ? 'light' : 'dark',
    scale: scale > 0 ? Math.min(8, Math.max(0.25, scale)) : 1,
    lang: pickLanguage(location.search, navigator),
    token: search.get('token') || undefined,
  };
}

/* ------------------------------------------------------------------------------------ parts --- */

function makeTotal() {
  const title = new Text();
  const sum = new Text();
  const orders = new Text();
  const figures = el('span', {}, sum.node);
  const width = new Style(figures, '--em');
  const node = el('section', { class: 'card total' },
    el('h2', { dir: 'auto' }, title.node), el('p', { class: 'amount sum' }, figures),
    el('p', { class: 'count' }, orders.node));
  let shape; // of the sum as it was measured

  function draw({ scope }) {
    const metrics = session ? scope.all : scope.today;
    const exact = amount(metrics.gross);
    title.set(scope.title ?? t(session ? 'soldSession' : 'soldToday'));
    sum.set(exact);
    orders.set(metrics.orders === 1 ? t('oneOrder')
      : t('ordersOf', { orders: formatCount(metrics.orders, { lang }) }));
    return true;
  }

  /* A sum that is cut off is another sum: how wide it is, changes with the number of figures alone. */
  function fit() {
    const now = sum.shown.replace(/\d/g, '0');
    if (now === shape) return;
    shape = now;
    const em = parseFloat(getComputedStyle(figures).fontSize);
    width.set((figures.getBoundingClientRect().width / em).toFixed(2));
  }
  return { node, draw, fit };
}

function makeGoal() {
  const percent = new Text();
  const label = new Text();
  const fill = el('span');
  const filled = new Style(fill, 'transform');
  const node = el('section', { class: 'card goal' },
    el('h2', {}, t('goal')), el('div', { class: 'bar' }, fill),
    el('p', {}, el('span', { class: 'amount' }, label.node),
      el('span', { class: 'percent' }, percent.node)));

  function draw({ scope }) {
    const { goal } = scope;
    if (!session || !goal) return false;
    const sold = scope.all.gross;
    label.set(`${compact(sold)} / ${compact(goal, true)}`);
    percent.set(formatPercent(sold, goal));
    filled.set(`scaleX(${Math.min(1, sold / goal).toFixed(4)})`);
    return true;
  }
  return { node, draw };
}

function makeRow(parent) {
  const share = el('span', { class: 'share' });
  const name = new Text();
  const times = new Text();
  const sum = new Text();
  const node = el('div', { class: 'row' }, share, el('span', { class: 'name', dir: 'auto' }, name.node),
    el('span', { class: 'times' }, times.node), el('span', { class: 'amount' }, sum.node));
  parent.append(node);
  return {
    node, name, times, sum, key: null, on: new Attribute(node, 'data-on'),
    share: new Style(share, 'transform'), place: new Style(node, '--place'),
  };
}

/*
 * Rows that keep their element while they stay and slide to where they belong. One more of them than
 * are shown, so that one can leave while another comes.
 */
function makeRows(count) {
  const node = el('div', { class: 'rows' });
  const height = new Style(node, '--rows');
  const rows = Array.from({ length: count + 1 }, () => makeRow(node));

  function take(key, fresh) {
    const row = rows.find((other) => other.key === null && !fresh.has(other))
      ?? rows.find((other) => !fresh.has(other));
    row.key = key;
    return row;
  }

  /* items: [{key, name, times, sum, share}], from the top. */
  return {
    node,
    draw(items) {
      const staying = new Set(items.map((item) => item.key));
      for (const row of rows) {
        if (row.key !== null && !staying.has(row.key)) {
          row.key = null;
          row.on.set(undefined);
        }
      }
      const held = new Set(rows.filter((row) => row.key !== null));
      items.forEach((item, i) => {
        const row = rows.find((other) => other.key === item.key) ?? take(item.key, held);
        held.add(row);
        row.name.set(item.name);
        row.times.set(item.times);
        row.sum.set(item.sum);
        row.share.set(`scaleX(${item.share.toFixed(3)})`);
        row.place.set(String(i));
        row.on.set('');
      });
      height.set(String(items.length));
      return items.length > 0;
    },
    /* At once: a row that fades out must not be read any more. */
    forget() {
      for (const row of rows) {
        row.key = null;
        row.on.set(undefined);
        for (const cell of [row.name, row.times, row.sum]) cell.set('');
      }
    },
  };
}

function makeProducts() {
  const rows = makeRows(PRODUCT_ROWS);
  const node = el('section', { class: 'card products' }, el('h2', {}, t('products')), rows.node);
  return {
    node,
    forget: rows.forget,
    draw({ products }) {
      const best = Math.max(1, ...products.rows.map((row) => row.gross));
      return rows.draw(products.rows.slice(0, PRODUCT_ROWS).map((row) => ({
        key: row.id, name: row.name ?? mask(row.id), times: '', sum: compact(row.gross),
        share: row.gross / best,
      })));
    },
  };
}

function makeTicker() {
  const rows = makeRows(TICKER_ROWS);
  const node = el('section', { class: 'card ticker' }, el('h2', {}, t('ticker')), rows.node);
  let shownMs = -Infinity;
  let later = null;
  let shown = []; // orders
  const show = () => rows.draw(shown.map((order) => ({
    key: order.seq, name: names.of(order.product_id), sum: price(order.amount), share: 0,
    times: order.quantity > 1 ? `×${formatCount(order.quantity, { lang, compact: true })}` : '',
  })));
  return {
    node,
    rename: show,
    forget() {
      shownMs = -Infinity;
      shown = [];
      rows.forget();
    },
    draw({ ticker }) {
      const wait = shownMs + TICKER_MS - performance.now();
      if (wait > 0 && !body.hidden) {
        later ??= setTimeout(() => { later = null; changed(topics.ticker); }, wait);
        return !node.hidden;
      }
      shownMs = performance.now();
      shown = ticker.orders.slice(0, TICKER_ROWS);
      names.want(shown.map((order) => order.product_id));
      return show();
    },
  };
}

/* ------------------------------------------------------------------------------------ names --- */

/* Who watches a stream need not know anybody's ids. */
function mask(id) {
  return `…${id.slice(-4)}`;
}

/*
 * Orders name their product by id alone. Names come with the board of products, or are asked for
 * one by one, once each; nothing is shown until the answer is there.
 */
const names = {
  known: new Map(), // by id: a name, or null where there is none
  asked: new Set(),

  of(id) {
    return this.known.get(id) ?? (this.asked.has(id) ? '' : mask(id));
  },

  learn(id, name) {
    this.known.delete(id); // and goes to the end, away from being forgotten
    this.known.set(id, name ?? null);
    if (this.known.size > NAMES_MAX) this.known.delete(this.known.keys().next().value);
  },

  want(ids) {
    const unknown = ids.filter((id) => !this.known.has(id) && !this.asked.has(id));
    unknown.forEach((id) => this.asked.add(id));
    if (unknown.length) live.subscribe([...new Set(unknown)].map((id) => `product/${id}`));
  },

  /* True when a name was learned. */
  take(changedTopics) {
    let learned = false;
    for (const row of live.get(topics.products)?.rows ?? []) this.learn(row.id, row.name);
    for (const id of this.asked) {
      if (!changedTopics.has(`product/${id}`) || !live.get(`product/${id}`)) continue;
      this.settle(id);
      learned = true;
    }
    return learned;
  },

  forget() {
    this.known.clear();
  },

  settle(id) {
    const topic = `product/${id}`;
    this.learn(id, live.get(topic)?.name);
    this.asked.delete(id);
    live.unsubscribe([topic]);
  },

  /* True when it was about a name: one that nobody tells us is none. */
  refuse(topic, code) {
    const id = topic?.startsWith('product/') ? topic.slice('product/'.length) : null;
    if (!this.asked.has(id)) return false;
    if (code !== 'unavailable') this.settle(id); // else it is asked for again
    return true;
  },
};

/* ---------------------------------------------------------------------------------- drawing --- */

const makers = { total: makeTotal, goal: makeGoal, products: makeProducts, ticker: makeTicker };
const needs = { total: 'scope', goal: 'scope', products: 'products', ticker: 'ticker' };
const parts = options.show.map((name) => ({ name, topic: topics[needs[name]], ...makers[name]() }));
const body = { hidden: true, mark: new Attribute(document.body, 'data-hidden') };
const waiting = new Set(); // topics to be drawn
let renamed = false; // names have come, or are known not to come
let frame = null;
let hideTimer = null;
let shownEpoch;

function changed(topic) {
  waiting.add(topic);
  frame ??= requestAnimationFrame(draw);
}

function rename() {
  renamed = true;
  frame ??= requestAnimationFrame(draw);
}

/* Another data set: nothing of the last one may stand beside what is of the new one. */
function meet(epoch) {
  if (shownEpoch !== undefined && epoch !== shownEpoch) {
    names.forget();
    for (const part of parts) part.forget?.();
  }
  shownEpoch = epoch;
}

function draw() {
  frame = null;
  const values = { scope: live.get(topics.scope), products: live.get(topics.products),
    ticker: live.get(topics.ticker) };
  for (const part of parts) {
    if (!waiting.has(part.topic)) continue;
    const hidden = !values[needs[part.name]] || !part.draw(values);
    if (part.node.hidden !== hidden) part.node.hidden = hidden;
    if (!hidden) part.fit?.();
  }
  waiting.clear();
  if (renamed) for (const part of parts) part.rename?.();
  renamed = false;
  showIfTrue();
}

/* All there is to show is here, and of now. */
function showIfTrue() {
  const whole = parts.every((part) => live.get(part.topic) !== undefined);
  const hide = !whole || live.stale || parts.some((part) => live.isStale(part.topic));
  clearTimeout(hideTimer);
  hideTimer = null;
  if (!hide) refused = null;
  const why = reason ?? refused;
  document.title = hide && why ? `livetally: ${why}` : 'livetally';
  if (hide && !body.hidden && whole && live.state === 'reconnecting' && !over(GRACE_MS)) {
    hideTimer = setTimeout(showIfTrue, GRACE_MS);
    return;
  }
  body.hidden = hide;
  body.mark.set(hide ? '' : undefined);
}

let reason = null; // why the connection is no good, or what it has no answer to
let refused = null;
let brokenMs = null; // when the connection broke, or null
function over(ms) {
  return brokenMs === null || performance.now() - brokenMs >= ms - 1;
}

document.documentElement.lang = lang === 'zh' ? 'zh-CN' : lang;
document.documentElement.dataset.theme = options.theme;
document.documentElement.style.setProperty('--scale', String(options.scale));
body.mark.set('');
for (const part of parts) {
  part.node.hidden = true;
  document.body.append(part.node);
}

const live = new Live({ token: options.token });
live.on('update', ({ topics: names_, epoch }) => {
  meet(epoch);
  if (names.take(names_)) rename();
  for (const topic of names_) if (Object.values(topics).includes(topic)) changed(topic);
});
live.on('state', (told) => {
  brokenMs = told.state === 'reconnecting' ? brokenMs ?? performance.now() : null;
  reason = told.reason;
  showIfTrue();
});
live.on('error', ({ code, topic, message }) => {
  if (names.refuse(topic, code)) {
    rename();
    return;
  }
  refused = [topic, code].filter(Boolean).join(' ');
  showIfTrue();
  console.warn('livetally:', code, topic ?? '', message); // nothing of it is for viewers' eyes
});
live.subscribe([...new Set(parts.map((part) => part.topic))]);
