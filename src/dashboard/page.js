/*
 * What every panel is given: the language and how to write in it, the data, the names, and the head
 * that all panels have.
 */

import { csvText, download } from './csv.js';
import { Attribute, el, Text } from './dom.js';
import {
  amountThatFits, formatAmount, formatCount, formatTime, plainAmount, zoneMs,
} from './format.js';
import { text } from './i18n.js';

/* Longer amounts, or from 1亿 yuan on, have no room in a row of figures. The exact ones are in titles. */
const FIGURE = { figures: 14, whole: 8 };
const NOTHING = '–';
const MONEY = ['gross', 'refunded', 'net', 'amount'];
const MOMENTS = ['time', 'minute', 'asOf'];

export class Page {
  /* `conventions`: {currency, timeZone}, which are undefined until the daemon has told them. */
  constructor(lang, lookup, conventions) {
    this.lang = lang;
    this.lookup = lookup;
    this.conventions = conventions;
    this.limits = new Map(); // from which amount on there is no room, by currency and room
    this.live = undefined; // set by who connects
  }

  t(key, values) {
    return text(this.lang, key, values);
  }

  /* Exact, as the language groups figures; `how` as formatAmount() has it. */
  amount(minor, how) {
    const { currency } = this.conventions;
    return currency ? formatAmount(minor, { lang: this.lang, currency, ...how }) : NOTHING;
  }

  /* Exact, with commas in every language, as in books: what stands behind a short or grouped one. */
  exact(minor) {
    return this.amount(minor, { books: true });
  }

  compact(minor, round = false) {
    return this.amount(minor, { compact: true, round });
  }

  /* An amount that somebody chose, as a goal: 34万, not 34万0000.00. */
  round(minor) {
    return this.amount(minor, { compact: !this.hasRoom(minor, FIGURE), round: true });
  }

  /* As long as there is room: exact, else in the short form. */
  figure(minor, room = FIGURE) {
    return this.amount(minor, { compact: !this.hasRoom(minor, room) });
  }

  hasRoom(minor, { figures, whole }) {
    const { currency } = this.conventions;
    const key = `${currency} ${figures} ${whole}`;
    if (!this.limits.has(key)) {
      this.limits.set(key, currency ? amountThatFits(figures, whole, { lang: this.lang, currency }) : 0);
    }
    return Math.abs(minor) < this.limits.get(key);
  }

  count(n, compact = false) {
    return formatCount(n, { lang: this.lang, compact });
  }

  orders(n) {
    return n === 1 ? this.t('oneOrder') : this.t('ordersOf', { orders: this.count(n) });
  }

  /* Times are those of the data's time zone, in which its days are cut, wherever the viewer is. */
  clock(ms, seconds = true) {
    return this.time(ms, { seconds });
  }

  dateTime(ms) {
    return this.time(ms, { date: true });
  }

  time(ms, how) {
    const { timeZone } = this.conventions;
    return timeZone ? formatTime(ms, { timeZone, ...how }) : '';
  }

  /* That time zone, for who lives in another one; else nothing. */
  zone() {
    const { timeZone } = this.conventions;
    const ownMs = -new Date().getTimezoneOffset() * 60000;
    return timeZone && zoneMs(timeZone) !== ownMs ? `UTC${timeZone.replace('UTC', '')}` : '';
  }

  /* The server's time. */
  now() {
    return this.live.serverNow();
  }

  /* The name of what a row ranks. */
  nameOf(kind, row) {
    return this.lookup.find(kind, row.id, this.lang) ?? row.name ?? row.id;
  }

  /* The server's time of what is known of `topic`; null where nobody knows. */
  asOf(topic) {
    return this.live.isStale(topic) ? this.past(this.live.staleSince(topic)) : this.now();
  }

  /* By the server's clock what is `since` by the local one. */
  past(since) {
    return since === null ? null : this.now() - (Date.now() - since);
  }

  /* A ranked row as cells of a file: id, name, orders, units, gross, refunded, net. */
  rankedCells(kind, row) {
    return [row.id, this.nameOf(kind, row), row.orders, row.units,
      ...[row.gross, row.refunded, row.net].map((minor) => this.plain(minor))];
  }

  /* An amount as a cell of a file. */
  plain(minor) {
    return plainAmount(minor, this.conventions.currency);
  }

  /* The heads of columns of a file; of amounts with their currency, of times with their zone. */
  heads(keys) {
    const { currency, timeZone } = this.conventions;
    return keys.map((key) => {
      const unit = MONEY.includes(key) ? currency : MOMENTS.includes(key) ? timeZone : undefined;
      return unit ? this.t('inUnit', { what: this.t(key), unit }) : this.t(key);
    });
  }
}

/*
 * The head of the panel of `topic`: its title (a link if `href`), a note beside it, where its figures
 * are not of now of when they are, and with `csv` a button that saves what that returns: {name, header
 * (keys of texts), rows} of what stands on the screen. What the daemon says meanwhile may be newer, or
 * gone as long as it is being asked again. A file outlives its page, so each row says of when it is.
 */
export class PanelHead {
  constructor(page, topic, { id, title, note, href, csv }) {
    this.page = page;
    this.old = new Text();
    const save = () => {
      const { name, header, rows } = csv();
      const ms = page.asOf(topic);
      const asOf = ms === null ? '' : page.dateTime(ms);
      download(`livetally-${name}.csv`, csvText(page.heads([...header, 'asOf']),
        rows.map((row) => [...row, asOf])));
    };
    this.label = page.t('csv', { what: title });
    const button = el('button', { class: 'csv', type: 'button', 'aria-label': this.label, onclick: save },
      el('span', { 'aria-hidden': 'true' }, 'CSV'));
    this.disabled = new Attribute(button, 'disabled');
    this.hint = new Attribute(button, 'title');
    this.node = el('div', { class: 'head' },
      el('h2', { id }, href ? el('a', { href }, title) : title),
      ...(note ? [el('p', { class: 'note' }, ...note)] : []),
      el('p', { class: 'old' }, this.old.node),
      ...(csv ? [button] : []));
    this.offer(false);
  }

  /* Whether there is anything to save. */
  offer(any) {
    this.disabled.set(any ? undefined : '');
    this.hint.set(any ? this.label : this.page.t('csvNothing'));
  }

  /* Says of when the figures are, or nothing with null. */
  date(ms) {
    this.old.set(ms === null ? '' : this.page.t('figuresOf', { time: this.page.clock(ms) }));
  }
}
