/*
 * The figures of a scope: today's gross in large type, the rest of today beside it, all time below.
 * A session has no days; there all time stands in large type.
 */

import { el, hint, Style, Text } from './dom.js';
import { PanelHead } from './page.js';

/* In order of importance; what is money, and what is told only where there is room. */
const FIGURES = [
  { key: 'net', money: true },
  { key: 'refunded', money: true },
  { key: 'orders' },
  { key: 'units' },
];
const COLUMNS = ['orders', 'units', 'gross', 'refunds', 'refunded', 'returned', 'net'];
const SPEAK_EVERY_MS = 30000;
const NOTHING = '–';

const isUnit = (piece) => piece !== NOTHING && /[^\d.,]/.test(piece);

/*
 * An amount in large type: its currency and units between the figures (万, 亿) stand back. Its size follows from its
 * width in em, which changes only with the number of figures, and is measured then.
 */
class LargeAmount {
  constructor(page) {
    this.page = page;
    this.node = el('p', { class: 'hero' });
    this.box = el('div', { class: 'hero-box' }, this.node);
    /* A container query would do, but costs a second pass over styles at each update. */
    const room = new Style(this.node, '--room');
    this.sizes = new ResizeObserver(([{ contentRect }]) => room.set(`${contentRect.width}px`));
    this.sizes.observe(this.box);
    this.shape = '';
    this.parts = [];
    this.width = new Style(this.node, '--em');
    hint(this.node, () => (this.minor === undefined ? undefined : page.exact(this.minor)));
  }

  build(pieces) {
    this.parts = pieces.map((piece) => new Text(piece));
    this.node.replaceChildren(...pieces.map((piece, i) => (
      el('span', isUnit(piece) ? { class: 'unit' } : {}, this.parts[i].node))));
    const box = this.node.getBoundingClientRect();
    if (box.width > 0) {
      const em = box.width / parseFloat(getComputedStyle(this.node).fontSize);
      this.width.set(em.toFixed(2));
    } else {
      this.shape = ''; // not on the page yet
    }
  }

  set(minor) {
    this.minor = minor;
    const shown = minor === undefined ? NOTHING : this.page.amount(minor);
    const pieces = shown.split(/([^\d.,]+)/).filter((piece) => piece !== '');
    const shape = shown.replace(/\d/g, '0');
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(pieces);
    } else {
      pieces.forEach((piece, i) => this.parts[i].set(piece));
    }
  }
}

function figures(page, className) {
  const views = {};
  const list = el('dl', { class: className });
  const all = className.includes('all') ? [{ key: 'gross', money: true }, ...FIGURES] : FIGURES;
  for (const { key, money } of all) {
    const value = new Text(NOTHING);
    const cell = el('dd', {}, value.node);
    const view = { value, money, amount: undefined };
    if (money) hint(cell, () => (view.amount === undefined ? undefined : page.exact(view.amount)));
    views[key] = view;
    list.append(el('div', { class: `figure ${key}` }, el('dt', {}, page.t(key)), cell));
  }
  return {
    node: list,
    set(metrics) {
      for (const [key, view] of Object.entries(views)) {
        const amount = metrics?.[key];
        view.amount = amount;
        if (amount === undefined) view.value.set(NOTHING);
        else view.value.set(view.money ? page.figure(amount) : page.count(amount));
      }
    },
  };
}

/* The panel of `scope`; `session` when it has no days; `note` stands at its end. */
export function makeTotal(page, { scope, session = false, note }) {
  const heading = page.t(session ? 'soldSession' : 'soldToday');
  const hero = new LargeAmount(page);
  const first = figures(page, 'figures');
  const all = session ? undefined : figures(page, 'figures all');
  const spoken = new Text();
  let spokenAt = -Infinity;
  let spokenGross;
  let drawn; // what the figures show

  const head = new PanelHead(page, scope, { id: 'total-title', title: heading, csv: () => csv() });
  const node = el('section', { class: 'panel total', 'aria-labelledby': 'total-title' },
    head.node,
    hero.box,
    first.node,
    ...(all ? [el('div', { class: 'all-time' }, el('h3', {}, page.t('allTime')), all.node)] : []),
    ...(note ? [el('p', { class: 'footnote' }, note)] : []),
    el('p', { class: 'hidden', 'aria-live': 'polite' }, spoken.node));

  /* Aloud at a low rate: who listens wants the total, not each order. */
  function speak(metrics) {
    const now = performance.now();
    if (now - spokenAt < SPEAK_EVERY_MS || metrics.gross === spokenGross) return;
    spokenAt = now;
    spokenGross = metrics.gross;
    spoken.set(page.t('spoken', {
      title: heading,
      gross: page.exact(metrics.gross),
      net: page.exact(metrics.net),
      orders: page.orders(metrics.orders),
    }));
  }

  function periods(payload) {
    return session ? [['all', payload?.all]] : [['today', payload?.today], ['all', payload?.all]];
  }

  function csv() {
    const rows = periods(drawn).filter(([, metrics]) => metrics).map(([period, metrics]) => [
      page.t(period === 'today' ? 'today' : 'allTime'),
      ...COLUMNS.map((key) => (
        ['gross', 'refunded', 'net'].includes(key) ? page.plain(metrics[key]) : metrics[key])),
    ]);
    return { name: scope.replace(/[^\w.-]+/g, '-'), header: ['period', ...COLUMNS], rows };
  }

  return {
    node,
    head,
    topics: [scope],
    update() {
      const payload = page.live.get(scope);
      drawn = payload;
      head.offer(drawn !== undefined);
      const metrics = session ? payload?.all : payload?.today;
      hero.set(metrics?.gross);
      first.set(metrics);
      all?.set(payload?.all);
      if (metrics) speak(metrics);
    },
    close: () => hero.sizes.disconnect(),
  };
}
