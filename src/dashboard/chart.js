/*
 * Sales by minute: gross upwards, refunds downwards, so that the two are told apart without colours.
 * Drawn by uPlot where the daemon has it, else as two plain shapes.
 */

import { Attribute, el, Text } from './dom.js';
import { minorDigits, widthOf, zoneMs } from './format.js';
import { PanelHead } from './page.js';

const MINUTES = 120;
const MINUTE_MS = 60000;
const FIGURE_EM = 0.65; // the width of a figure, or a capital, at most
const LEAST = 100; // yuan: the axis never shows less

let uplot; // the module once it is loaded, null when there is none

/* Loads the charts once; resolves to whether there are any. */
export async function loadChart() {
  if (uplot !== undefined) return uplot !== null;
  try {
    const module = await import('/uplot.js');
    const sheet = el('link', { rel: 'stylesheet', href: '/uplot.css' });
    const loaded = new Promise((resolve) => {
      sheet.onload = resolve;
      sheet.onerror = resolve;
    });
    document.head.append(sheet);
    await loaded;
    uplot = module.default ?? null; // a daemon built without npm has a stand-in
  } catch {
    uplot = null;
  }
  return uplot !== null;
}

/* The last MINUTES minutes up to `now` as three lists; refunds below zero. */
export function windowOf(series, now) {
  const last = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const first = last - (MINUTES - 1) * MINUTE_MS;
  const times = [];
  const gross = [];
  const refunded = [];
  for (let at = first; at <= last; at += MINUTE_MS) {
    const i = series ? Math.round((at - series.start) / MINUTE_MS) : -1;
    times.push(at);
    gross.push(series?.gross[i] ?? 0);
    refunded.push(-(series?.refunded[i] ?? 0));
  }
  return [times, gross, refunded];
}

/* What the theme makes of a colour: its own value may still be one for each theme. */
function colourOf(name) {
  const probe = el('span', { hidden: true });
  probe.style.setProperty('color', `var(${name})`);
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const fontPx = Math.max(11, Math.round(parseFloat(style.fontSize) * 0.72));
  return {
    fontPx,
    gross: colourOf('--sales'), refunded: colourOf('--back'), text: colourOf('--muted'), line: colourOf('--line'),
    font: `${fontPx}px ${style.fontFamily}`,
    em: parseFloat(style.fontSize),
  };
}

const leastOf = ({ conventions: { currency } }) => LEAST * 10 ** minorDigits(currency);

/* A date whose own hours and minutes are those of the data's time zone, for round times on the axis. */
function dateOf(page, ms) {
  const shift = zoneMs(page.conventions.timeZone) + new Date(ms).getTimezoneOffset() * MINUTE_MS;
  return new Date(ms + shift);
}

/* Draws with uPlot. */
function plot(page, box, onHover) {
  const { gross, refunded, text, line, font, fontPx, em } = colours();
  /* Room for the longest mark, at least as much as most need, so that it seldom changes. */
  const sizeOf = (marks) => Math.max(em * 4.2,
    em * 0.4 + fontPx * FIGURE_EM * Math.max(0, ...(marks ?? []).map(widthOf)));
  const bars = uplot.paths.bars({ size: [0.72, 20], align: 0 });
  const axis = { stroke: text, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
  const chart = new uplot({
    width: Math.max(100, box.clientWidth),
    height: Math.max(80, box.clientHeight),
    ms: 1,
    tzDate: (ms) => dateOf(page, ms),
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
    padding: [em * 0.5, em * 1.1, 0, 0], // at the right: half a time
    scales: {
      x: { time: true, range: (_, from, to) => [from - MINUTE_MS / 2, to + MINUTE_MS / 2] },
      y: { range: (_, least, most) => [Math.min(0, least * 1.15), Math.max(leastOf(page), most * 1.08)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: em * 1.9, gap: em * 0.5, space: em * 5,
        values: (_, splits) => splits.map((at) => page.clock(at, false)) },
      { ...axis, size: (_, marks) => sizeOf(marks), gap: em * 0.4, space: em * 2.2,
        values: (_, splits) => splits.map((minor) => page.compact(minor, true)) },
    ],
    series: [
      {},
      { fill: gross, stroke: gross, width: 0, paths: bars, points: { show: false } },
      { fill: refunded, stroke: refunded, width: 0, paths: bars, points: { show: false } },
    ],
    hooks: { setCursor: [(self) => onHover(self.cursor.idx)] },
  }, [[], [], []], box);
  const sizes = new ResizeObserver(() => {
    chart.setSize({ width: Math.max(100, box.clientWidth), height: Math.max(80, box.clientHeight) });
  });
  sizes.observe(box);
  return {
    /* A minute without is a gap, not a bar without height. */
    set: ([times, ...values]) => (
      chart.setData([times, ...values.map((list) => list.map((value) => value || null))])),
    close() {
      sizes.disconnect();
      chart.destroy();
    },
  };
}

/* Draws without: each minute a step, all minutes one shape. */
function shapes(page, box) {
  const NS = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(NS, 'svg');
  svg.setAttribute('viewBox', `0 0 ${MINUTES} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const paths = ['sales', 'back'].map((name) => {
    const path = document.createElementNS(NS, 'path');
    path.setAttribute('class', name);
    svg.append(path);
    return path;
  });
  box.append(svg);
  return {
    set([, gross, refunded]) {
      const most = Math.max(leastOf(page), ...gross);
      const least = Math.min(0, ...refunded);
      const y = (value) => ((most - value) / (most - least)) * 100;
      const shape = (values) => values.reduce(
        (path, value, i) => (value ? `${path}M${i + 0.14} ${y(0).toFixed(2)}V${y(value).toFixed(2)}h.72V${y(0).toFixed(2)}Z` : path), '');
      paths[0].setAttribute('d', shape(gross));
      paths[1].setAttribute('d', shape(refunded));
    },
    close: () => svg.remove(),
  };
}

/* The panel of the series `topic`. */
export function makeChart(page, { topic }) {
  const readout = new Text();
  const box = el('div', { class: 'chart-box', role: 'img' });
  const label = new Attribute(box, 'aria-label');
  const empty = el('p', { class: 'empty' }, page.t('chartNone'));
  const key = (name) => el('span', { class: `key ${name}` },
    page.t(name === 'sales' ? 'gross' : 'refunded'));
  const head = new PanelHead(page, topic, {
    id: 'chart-title', title: page.t('chart'), note: [page.t('chartSpan')], csv: () => csv(),
  });
  const node = el('section', { class: 'panel chart', 'aria-labelledby': 'chart-title' },
    head.node,
    el('p', { class: 'readout' }, key('sales'), key('back'), el('span', { class: 'at' }, readout.node)),
    el('div', { class: 'chart-frame' }, box, empty),
    ...(uplot ? [] : [el('p', { class: 'footnote' }, page.t('chartSimple'))]));
  let drawer;
  let data; // as it is drawn
  let known = false; // whether it is of anything
  let minute;
  let described = ''; // the minute, and whether anything was sold
  let hovered = null;

  function tell() {
    const [times, gross, refunded] = data;
    if (hovered !== null && hovered !== undefined) {
      const back = refunded[hovered] ? ` · ${page.exact(refunded[hovered])}` : '';
      readout.set(`${page.clock(times[hovered], false)} · ${page.exact(gross[hovered])}${back}`);
      return;
    }
    const peak = gross.indexOf(Math.max(...gross));
    readout.set(gross[peak] > 0
      ? `${page.t('peak', { amount: page.figure(gross[peak]) })} · ${page.clock(times[peak], false)}` : '');
  }

  const isEmpty = () => !data[1].some(Boolean) && !data[2].some(Boolean);

  /* What a screen reader says of the picture; once a minute is enough, and when there is one. */
  function describe() {
    const [times, gross, refunded] = data;
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const peak = gross.indexOf(Math.max(...gross));
    label.set(page.t(isEmpty() ? 'chartNone' : 'chartLabel', {
      gross: page.exact(sum(gross)),
      refunded: page.exact(-sum(refunded)),
      peak: page.exact(gross[peak]),
      time: page.clock(times[peak], false),
    }));
  }

  /* Minutes of which nothing is known are none without sales: while it is stale, time stands still. */
  const endMs = () => page.asOf(topic) ?? page.now();

  function update() {
    const now = endMs();
    const series = page.live.get(topic);
    known = series !== undefined;
    head.offer(known);
    data = windowOf(series, now);
    if (page.conventions.currency) { // before, an axis has no names
      drawer ??= uplot ? plot(page, box, (index) => { hovered = index; tell(); }) : shapes(page, box);
      drawer.set(data);
    }
    tell();
    minute = Math.floor(now / MINUTE_MS);
    const about = known ? `${minute} ${isEmpty()}` : '';
    if (about !== described) describe();
    described = about;
    empty.hidden = !known || !isEmpty();
  }

  function csv() {
    const [times, gross, refunded] = data;
    return {
      name: topic.replace(/[^\w.-]+/g, '-'),
      header: ['minute', 'gross', 'refunded'],
      rows: times.map((at, i) => [page.dateTime(at), page.plain(gross[i]), page.plain(-refunded[i])]),
    };
  }

  return {
    node,
    head,
    topics: [topic],
    restMs: 1000,
    update,
    tick() {
      if (Math.floor(endMs() / MINUTE_MS) !== minute) update();
    },
    /* The colours changed, or what the axes are in. */
    restyle() {
      drawer?.close();
      drawer = undefined;
      update();
    },
    close: () => drawer?.close(),
  };
}
