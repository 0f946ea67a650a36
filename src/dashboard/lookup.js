/*
 * Names for ids. Boards bring names along, tickers only ids: for those that nobody named yet, and
 * that somebody is looking at, the scope itself is asked for once, a few at a time.
 *
 * Kept: the newest MOST_NAMES of each kind. Asked: at most ASK_AT_ONCE topics every ASK_EVERY_MS.
 */

import { loadNames } from './names.js';

const MOST_NAMES = 4000;
const ASK_AT_ONCE = 16;
const ASK_EVERY_MS = 800; // it is told to each second, more or less
const BOARD_KINDS = {
  hosts: 'host',
  counties: 'county',
  products: 'product',
  sessions: 'session',
  provinces: 'province',
};

/* The kind of thing that a board ranks. */
export const kindOfBoard = (board) => BOARD_KINDS[board];

export class Lookup {
  constructor() {
    this.known = new Map(Object.values(BOARD_KINDS).map((kind) => [kind, new Map()]));
    this.wanted = new Set();
    this.asking = [];
    this.asked = 0;
    this.places = undefined;
  }

  /* Reads the files of names; the page works without them, with codes. */
  async load() {
    this.places = await loadNames();
  }

  learn(kind, id, name) {
    const names = this.known.get(kind);
    if (names.get(id) === name) return;
    names.delete(id);
    names.set(id, name);
    if (names.size > MOST_NAMES) names.delete(names.keys().next().value);
  }

  /* They were of another data set. */
  forget() {
    for (const names of this.known.values()) names.clear();
  }

  /* Remembers the names that came with one topic. */
  learnFrom(topic, payload) {
    const [path] = topic.split('?');
    const [head, ...rest] = path.split('/');
    if (head === 'top') {
      const kind = BOARD_KINDS[rest[0]];
      if (!kind) return;
      for (const row of payload.rows) if (row.name) this.learn(kind, row.id, row.name);
    } else if (this.known.has(head)) {
      const name = payload.name ?? payload.title;
      if (name) this.learn(head, rest.join('/'), name);
    }
  }

  place(kind, code) {
    return kind === 'county' ? this.places?.county(code) : this.places?.province(code);
  }

  /* The name of a thing in `lang`, or undefined. */
  find(kind, id, lang) {
    if (kind === 'county' || kind === 'province') {
      const name = this.place(kind, id)?.[lang];
      if (name) return name;
    }
    return this.known.get(kind).get(id);
  }

  /* The same for showing: the id where there is no name. Asks for it if `want`. */
  name(kind, id, lang, want = false) {
    const found = this.find(kind, id, lang);
    if (found === undefined && want) this.wanted.add(`${kind}/${id}`);
    return found ?? id;
  }

  /*
   * Asks for what was wanted since the last time. What has not come within ASK_EVERY_MS has no name;
   * the id then stands for it, so that it isn't asked for again and again.
   */
  ask(live, now) {
    if (now - this.asked < ASK_EVERY_MS) return;
    this.asked = now;
    for (const topic of this.asking) {
      const [kind, id] = topic.split('/');
      if (!this.known.get(kind).has(id) && live.get(topic)) this.learn(kind, id, id);
    }
    if (this.asking.length) live.unsubscribe(this.asking);
    this.asking = live.state === 'live' ? [...this.wanted].slice(0, ASK_AT_ONCE) : [];
    this.wanted.clear();
    if (this.asking.length) live.subscribe(this.asking);
  }

  /* Things whose name or id contains `query`: [{kind, id, name}], at most `most` of them. */
  search(query, lang, most) {
    const wanted = query.toLowerCase();
    const found = [];
    const take = (kind, id, ...names) => {
      const hit = [id, ...names].some((name) => name?.toLowerCase().includes(wanted));
      if (hit) found.push({ kind, id, name: names[0] ?? id });
      return found.length >= most;
    };
    for (const kind of ['session', 'host', 'product']) {
      const newest = [...this.known.get(kind)].reverse();
      for (const [id, name] of newest) if (take(kind, id, name)) return found;
    }
    for (const { kind, code, ...names } of this.places?.search(query, most) ?? []) {
      if (kind === 'prefecture') continue; // has no screen
      found.push({ kind, id: code, name: names[lang] });
      if (found.length >= most) break;
    }
    return found;
  }
}
