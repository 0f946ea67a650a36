/*
 * The provinces as tiles on a grid of our own: which is beside which, roughly, and nothing about
 * borders. The shade is today's gross as a share of the largest, in steps of lightness, so that it
 * reads without colours; every tile also says its amount, in its label.
 */

import { Attribute, el, hint, Text } from './dom.js';
import { PanelHead } from './page.js';
import { linkTo } from './route.js';

const TOPIC = 'top/provinces?n=100';
const STEPS = 5;

/* Square roots, since a few provinces sell most: 4 % of the largest is still a step of its own. */
function stepOf(gross, most) {
  return gross > 0 ? Math.max(1, Math.ceil(Math.sqrt(gross / most) * STEPS)) : 0;
}

class Tile {
  constructor(page, tile, current) {
    this.page = page;
    this.name = tile[`name_${page.lang}`];
    this.id = tile.code.slice(0, 2);
    this.amount = new Text();
    this.node = el('a', {
      class: 'tile',
      href: linkTo('province', this.id),
      'aria-current': current === this.id ? 'page' : undefined,
    }, el('span', { class: 'abbr' }, tile[`abbr_${page.lang}`]),
    el('span', { class: 'sum' }, this.amount.node));
    this.item = el('li', {}, this.node);
    this.item.style.setProperty('grid-area', `${Number(tile.row) + 1} / ${Number(tile.col) + 1}`);
    this.step = new Attribute(this.node, 'data-step');
    this.label = new Attribute(this.node, 'aria-label');
    hint(this.node, () => this.told);
  }

  set(row, most) {
    const { page } = this;
    const gross = row?.gross ?? 0;
    this.told = row
      ? `${this.name}: ${page.exact(gross)}, ${page.orders(row.orders)}`
      : `${this.name}: ${page.t('noSales')}`;
    this.step.set(String(stepOf(gross, most)));
    this.amount.set(gross ? page.compact(gross) : '');
    this.label.set(this.told);
  }
}

/* The panel; `current` is the province whose screen it is on. */
export function makeMap(page, { current } = {}) {
  const tiles = page.lookup.places.provinces.map((tile) => new Tile(page, tile, current));
  const legend = Array.from({ length: STEPS + 1 }, (_, i) => (
    el('span', { class: 'tile', 'data-step': i })));
  let drawn = []; // rows as the tiles show them
  const head = new PanelHead(page, TOPIC, {
    id: 'map-title',
    title: page.t('map'),
    note: [`${page.t('today')} · ${page.t('schematic')}`],
    csv: () => csv(),
  });
  const node = el('section', { class: 'panel map', 'aria-labelledby': 'map-title' },
    head.node,
    el('ul', { class: 'tiles' }, ...tiles.map((tile) => tile.item)),
    el('p', { class: 'legend', 'aria-hidden': 'true' }, page.t('less'), ' ', ...legend, ' ',
      page.t('more')));

  function csv() {
    return {
      name: 'provinces',
      header: ['code', 'name', 'orders', 'units', 'gross', 'refunded', 'net'],
      rows: drawn.map((row) => page.rankedCells('province', row)),
    };
  }

  return {
    node,
    head,
    topics: [TOPIC],
    restMs: 1000,
    update() {
      drawn = page.live.get(TOPIC)?.rows ?? [];
      head.offer(drawn.length > 0);
      const byId = new Map(drawn.map((row) => [row.id, row]));
      const most = Math.max(1, ...drawn.map((row) => row.gross));
      for (const tile of tiles) tile.set(byId.get(tile.id), most);
    },
  };
}
