/*
 * The newest orders. There is one row for each place in the list and they are used again: the last
 * ones go to the top with the new orders in them, and the others glide down. When more come than can
 * be followed, they just change.
 */

import { Attribute, el, glide, hint, mayMove, Text } from './dom.js';
import { PanelHead } from './page.js';
import { linkTo } from './route.js';

const ROWS = 12;
const ROOM = { figures: 13, whole: 7 }; // of an amount
const MOVE_AT_MOST = 2; // new orders at a time
const REST_MS = 500;
const FLOOD_REST_MS = 1000; // while the whole list changes each time
const COLUMNS = ['time', 'host', 'product', 'county', 'units', 'amount'];
const NAMES = ['host', 'product']; // in any script, whichever way it runs

class Row {
  constructor(page) {
    this.page = page;
    this.order = undefined;
    this.texts = Object.fromEntries(COLUMNS.map((key) => [key, new Text()]));
    const linked = {};
    for (const key of ['host', 'product', 'county']) {
      linked[key] = el('a', { tabindex: '-1' }, this.texts[key].node);
    }
    const attributes = (name) => Object.fromEntries(
      Object.entries(linked).map(([key, link]) => [key, new Attribute(link, name)]));
    this.links = attributes('href');
    this.labels = attributes('aria-label'); // while a name is still to come
    this.cells = COLUMNS.map((key) => (
      el('td', { role: 'cell', class: key, dir: NAMES.includes(key) ? 'auto' : undefined },
        linked[key] ?? this.texts[key].node)));
    hint(this.cells.at(-1), () => this.order && page.exact(this.order.amount));
    this.node = el('tr', { role: 'row' }, ...this.cells);
  }

  set(order) {
    const { page, texts, links, labels } = this;
    this.order = order;
    this.node.hidden = !order;
    if (!order) return;
    const name = (kind, id) => {
      const shown = page.lookup.wantedName(kind, id, page.lang);
      texts[kind].set(shown);
      labels[kind].set(shown ? undefined : id);
    };
    texts.time.set(page.clock(order.time));
    name('host', order.host_id);
    name('product', order.product_id);
    texts.county.set(page.lookup.name('county', order.county, page.lang));
    texts.units.set(`×${page.count(order.quantity, true)}`);
    texts.amount.set(page.figure(order.amount, ROOM));
    links.host.set(linkTo('host', order.host_id));
    links.product.set(linkTo('product', order.product_id));
    links.county.set(linkTo('county', order.county));
  }
}

/* How many of `orders` are newer than the first one shown; all of them when that is gone. */
function countNew(orders, first) {
  if (!first) return orders.length;
  const at = orders.findIndex((order) => order.seq === first.seq);
  return at < 0 ? orders.length : at;
}

export function makeTicker(page, { topic }) {
  const rows = Array.from({ length: ROWS }, () => new Row(page));
  let rowPx = 0;
  let flood = false;
  const empty = el('p', { class: 'empty' }, page.t('tickerNone'));
  const body = el('tbody', { role: 'rowgroup' }, ...rows.map((row) => row.node));
  const head = new PanelHead(page, topic, {
    id: 'ticker-title', title: page.t('ticker'), csv: () => csv(),
  });
  const node = el('section', { class: 'panel ticker', 'aria-labelledby': 'ticker-title' },
    head.node,
    el('div', { class: 'ticker-box' },
      el('table', { role: 'table', 'aria-labelledby': 'ticker-title' },
        el('thead', { class: 'hidden', role: 'rowgroup' }, el('tr', { role: 'row' },
          ...COLUMNS.map((key) => el('th', { scope: 'col', role: 'columnheader' }, page.t(key))))),
        body),
      empty));
  rows.forEach((row) => row.set(undefined));

  function csv() {
    return {
      name: 'orders',
      header: ['time', 'host', 'name', 'product', 'name', 'county', 'name', 'units', 'amount'],
      rows: rows.filter(({ order }) => order).map(({ order }) => [
        page.dateTime(order.time),
        order.host_id, page.lookup.name('host', order.host_id, page.lang),
        order.product_id, page.lookup.name('product', order.product_id, page.lang),
        order.county, page.lookup.name('county', order.county, page.lang),
        order.quantity, page.plain(order.amount)]),
    };
  }

  return {
    node,
    head,
    topics: [topic],
    get restMs() {
      return flood ? FLOOD_REST_MS : REST_MS;
    },
    measure(resized) {
      if (resized || rowPx === 0) rowPx = rows[0].node.offsetHeight;
    },
    update() {
      const ticker = page.live.get(topic);
      const orders = (ticker?.orders ?? []).slice(0, ROWS);
      head.offer(orders.length > 0);
      const fresh = Math.min(ROWS, countNew(orders, rows[0].order));
      flood = fresh >= ROWS;
      const moves = fresh <= MOVE_AT_MOST && rows[0].order && mayMove() && !document.hidden;
      if (fresh > 0 && fresh < ROWS && !body.contains(document.activeElement)) {
        const reused = rows.splice(ROWS - fresh);
        rows.unshift(...reused);
        body.prepend(...reused.map((row) => row.node));
      }
      rows.forEach((row, i) => {
        row.set(orders[i]);
        if (!moves || fresh === 0 || !orders[i]) return;
        glide(row.node, -fresh * rowPx);
        if (i < fresh) row.node.animate({ opacity: [0, 1] }, { duration: 450 });
      });
      empty.hidden = orders.length > 0;
    },
    /* Names that were asked for have come, or were waited for long enough. */
    tick() {
      rows.forEach((row) => row.set(row.order));
    },
  };
}
