/*
 * What every panel is given: the language and how to write in it, the data, the names, and the head
 * that all panels have.
 */

import { csvText, download } from './csv.js';
import { el } from './dom.js';
import { formatAmount, formatCount, formatTime, plainYuan } from './format.js';
import { text } from './i18n.js';

/* 1亿 yuan: longer amounts have no room in a row of figures. Their exact form is in the title. */
const SHORT_FROM_FEN = 1e10;

export class Page {
  constructor(lang, lookup) {
    this.lang = lang;
    this.lookup = lookup;
    this.live = undefined; // set by who connects
    this.since = null; // when figures were last of now, by the local clock; null while they are
  }

  t(key, values) {
    return text(this.lang, key, values);
  }

  /* Exact, as the language groups figures. */
  amount(fen) {
    return formatAmount(fen, { lang: this.lang });
  }

  /* Exact, with commas in every language, as in books: what stands behind a short or grouped one. */
  exact(fen) {
    return formatAmount(fen);
  }

  compact(fen, round = false) {
    return formatAmount(fen, { lang: this.lang, compact: true, round });
  }

  /* An amount that somebody chose, as a goal: 34万, not 34万0000.00. */
  round(fen) {
    if (fen >= SHORT_FROM_FEN) return this.compact(fen, true);
    return formatAmount(fen, { lang: this.lang, round: true });
  }

  /* As long as there is room: exact, and from `most` fen on in the short form. */
  figure(fen, most = SHORT_FROM_FEN) {
    return Math.abs(fen) < most ? this.amount(fen) : this.compact(fen);
  }

  count(n, compact = false) {
    return formatCount(n, { lang: this.lang, compact });
  }

  orders(n) {
    return n === 1 ? this.t('oneOrder') : this.t('ordersOf', { orders: this.count(n) });
  }

  clock(ms, seconds = true) {
    return formatTime(ms, { seconds });
  }

  dateTime(ms) {
    return formatTime(ms, { date: true });
  }

  /* The server's time. */
  now() {
    return this.live.serverNow();
  }

  /* The name of what a row ranks. */
  nameOf(kind, row) {
    return this.lookup.find(kind, row.id, this.lang) ?? row.name ?? row.id;
  }

  /* The server's time of what the figures say. */
  asOf() {
    return this.now() - (this.since === null ? 0 : Date.now() - this.since);
  }

  /* A ranked row as cells of a file: id, name, orders, units, gross, refunded, net. */
  rankedCells(kind, row) {
    return [row.id, this.nameOf(kind, row), row.orders, row.units,
      ...[row.gross, row.refunded, row.net].map(plainYuan)];
  }

  /*
   * The head of a panel: its title (a link if `href`), a note beside it, and a button that saves
   * what `csv` returns: {name, header, rows} of what stands on the screen, nothing if nothing does.
   * What the daemon says meanwhile may be newer, or gone as long as it is being asked again. A file
   * outlives its page, so each row says of when it is.
   */
  panelHead(id, title, { note, href, csv } = {}) {
    const save = () => {
      const table = csv();
      if (!table) return;
      const asOf = this.dateTime(this.asOf());
      download(`livetally-${table.name}.csv`, csvText([...table.header, this.t('asOf')],
        table.rows.map((row) => [...row, asOf])));
    };
    const label = this.t('csv', { what: title });
    return el('div', { class: 'head' },
      el('h2', { id }, href ? el('a', { href }, title) : title),
      ...(note ? [el('p', { class: 'note' }, ...note)] : []),
      ...(csv ? [el('button', { class: 'csv', type: 'button', title: label, 'aria-label': label, onclick: save },
        el('span', { 'aria-hidden': 'true' }, 'CSV'))] : []));
  }
}
