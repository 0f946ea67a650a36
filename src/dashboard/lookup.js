/*
 * Names for ids. Boards bring names along, tickers and sessions only ids: for those that nobody named
 * yet, and that somebody is looking at, the scope itself is asked for once, at once, and together with
 * all others that are drawn with it. Until the answer is there nothing is shown, rather than an id
 * that becomes a name before the reader's eyes.
 *
 * Kept: the newest MOST_NAMES of each kind. Asked: ASK_AT_ONCE, and ASK_PER_S for as long as one likes.
 */

import { loadNames } from './names.js';

const MOST_NAMES = 4000;
const ASK_AT_ONCE = 32; // more than a screen has
const ASK_PER_S = 16;
export const HOLD_MS = 600; // then an id is better than nothing
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
    this.live = undefined;
    this.asking = new Map(); // topic: since when
    this.room = ASK_AT_ONCE;
    this.roomMs = 0; // when it was that much
    this.places = undefined;
  }

  /* From now on it is asked there. */
  follow(live) {
    this.live = live;
    this.asking.clear();
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

  /* The same for showing: the id where there is no name. */
  name(kind, id, lang) {
    return this.find(kind, id, lang) ?? id;
  }

  /* The same, and asks for a name that is not known: nothing as long as it may come soon. */
  wantedName(kind, id, lang) {
    const found = this.find(kind, id, lang);
    if (found !== undefined) return found;
    const topic = `${kind}/${id}`;
    const now = performance.now();
    if (!this.asking.has(topic)) this.ask(topic, now);
    return now - (this.asking.get(topic) ?? -Infinity) < HOLD_MS ? '' : id;
  }

  /* What is asked for in one turn, livetally.js sends as one request. */
  ask(topic, now) {
    this.room = Math.min(ASK_AT_ONCE, this.room + ((now - this.roomMs) * ASK_PER_S) / 1000);
    this.roomMs = now;
    if (this.room < 1 || this.asking.size >= ASK_AT_ONCE) return;
    this.room -= 1;
    this.asking.set(topic, now);
    this.live.subscribe([topic]);
  }

  /* Looks for answers among `topics`, which changed. Returns whether there are any. */
  take(topics) {
    const answered = [...this.asking.keys()].filter((topic) => topics.has(topic) && this.live.get(topic));
    for (const topic of answered) this.settle(topic, this.live.get(topic));
    return answered.length > 0;
  }

  /* A topic is refused. Returns whether it was for its name. */
  refuse(topic) {
    const asked = this.asking.has(topic);
    if (asked) this.settle(topic, {});
    return asked;
  }

  /* What has no name, its id stands for, so that it isn't asked for again and again. */
  settle(topic, { name, title }) {
    const [kind, id] = topic.split('/');
    this.asking.delete(topic);
    this.live.unsubscribe([topic]);
    this.learn(kind, id, name ?? title ?? this.known.get(kind).get(id) ?? id);
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
