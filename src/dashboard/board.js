/*
 * A ranking as a table. A row belongs to an id as long as it is on the board: a change of rank moves
 * the row, which glides. The bar is the gross amount as a share of the first, its end what was
 * refunded. It is painted as the background of its cell: no layout, and nothing to composite.
 */

import { Attribute, el, glide, hint, mayMove, Style, Text } from './dom.js';
import { kindOfBoard } from './lookup.js';
import { PanelHead } from './page.js';
import { linkTo } from './route.js';

const COLUMNS = ['rank', 'id', 'name', 'orders', 'units', 'gross', 'refunded', 'net'];
const ROWS = 10; // for which room is kept, so that nothing below moves

class Row {
  constructor(page, kind, id) {
    this.page = page;
    this.kind = kind;
    this.id = id;
    this.index = -1;
    this.rank = new Text();
    this.name = new Text();
    this.orders = new Text();
    this.refunded = new Text();
    this.amount = new Text();
    const link = el('a', { href: linkTo(kind, id) }, this.name.node);
    const bars = el('td', { class: 'bars', 'aria-hidden': 'true' });
    const amount = el('td', { class: 'amount', role: 'cell' }, this.amount.node);
    this.node = el('tr', { role: 'row' },
      el('td', { class: 'rank', role: 'cell' }, this.rank.node),
      el('th', { class: 'name', dir: 'auto', scope: 'row', role: 'rowheader' }, link),
      amount,
      el('td', { class: 'orders', role: 'cell' }, this.orders.node),
      el('td', { class: 'back', role: 'cell' }, this.refunded.node),
      bars);
    this.title = new Attribute(link, 'title');
    hint(amount, () => page.exact(this.gross));
    this.bars = new Style(bars, 'background-size');
  }

  set(row, index, most) {
    const { page } = this;
    this.gross = row.gross;
    const name = page.nameOf(this.kind, row);
    this.rank.set(String(index + 1));
    this.name.set(name);
    this.title.set(name === this.id ? name : `${name} (${this.id})`);
    this.amount.set(page.figure(row.gross));
    this.orders.set(page.orders(row.orders));
    this.refunded.set(row.refunded ? page.t('refundedOf', { amount: page.figure(row.refunded) }) : '');
    const share = (minor) => `${((Math.max(0, minor) / most) * 100).toFixed(1)}% 100%`;
    this.bars.set(`${share(row.net)}, ${share(row.gross)}`);
  }
}

/* Puts `rows`, each `px` high, into `body` in their order; those that were there glide to it. */
function arrange(body, rows, px) {
  const focused = body.contains(document.activeElement) ? document.activeElement : undefined;
  const moves = mayMove() && !document.hidden;
  let next = body.firstChild;
  rows.forEach((row, i) => {
    if (row.node === next) next = next.nextSibling;
    else body.insertBefore(row.node, next);
    if (moves && row.index >= 0 && row.index !== i) glide(row.node, (row.index - i) * px);
    row.index = i;
  });
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/* The panel of the board `topic`, a board of `of` ("hosts" …). `long`: with rows without end. */
export function makeBoard(page, { of, topic, long = false }) {
  const kind = kindOfBoard(of);
  const body = el('tbody', { role: 'rowgroup', class: long ? 'long' : '' });
  const count = new Text();
  const rows = new Map();
  let drawn = []; // rows as they stand on the screen
  let rowPx = 0;
  const allTime = /[?&](session=|period=all)|^top\/sessions/.test(topic);
  const empty = el('p', { class: 'empty' }, page.t(allTime ? 'noneYet' : 'noneToday'));
  const wide = !long && !topic.includes('?');
  const head = new PanelHead(page, topic, {
    id: `${of}-title`,
    title: page.t(of),
    note: [`${page.t(allTime ? 'allTime' : 'today')} · ${page.t('byGross')} `, el('span', {}, count.node)],
    href: wide ? linkTo(of) : undefined,
    csv: () => csv(),
  });
  const node = el('section', { class: `panel board ${of}`, 'aria-labelledby': `${of}-title` },
    head.node,
    el('div', { class: 'board-box' },
      el('table', { role: 'table', 'aria-labelledby': `${of}-title` },
        el('thead', { class: 'hidden', role: 'rowgroup' }, el('tr', { role: 'row' },
          ...['rank', 'name', 'gross', 'orders', 'refunded'].map((key) => (
            el('th', { scope: 'col', role: 'columnheader' }, page.t(key)))))),
        body),
      empty));

  function csv() {
    return {
      name: topic.replace(/[^\w.-]+/g, '-'),
      header: COLUMNS,
      rows: drawn.map((row, i) => [i + 1, ...page.rankedCells(kind, row)]),
    };
  }

  return {
    node,
    head,
    topics: [topic],
    restMs: 500,
    measure(resized) {
      if (resized || rowPx === 0) rowPx = body.firstChild?.offsetHeight ?? 0;
    },
    update() {
      const board = page.live.get(topic);
      drawn = board?.rows ?? [];
      head.offer(drawn.length > 0);
      const most = Math.max(1, ...drawn.map((row) => row.gross));
      const ids = new Set(drawn.map((row) => row.id));
      for (const [id, row] of rows) {
        if (ids.has(id)) continue;
        row.node.remove();
        rows.delete(id);
      }
      const order = drawn.map((row, i) => {
        let view = rows.get(row.id);
        if (!view) rows.set(row.id, view = new Row(page, kind, row.id));
        view.set(row, i, most);
        return view;
      });
      arrange(body, order, rowPx);
      count.set(board && board.of > ROWS ? `· ${page.t('ofAll', { n: page.count(board.of) })}` : '');
      empty.hidden = drawn.length > 0 || !board;
    },
  };
}
