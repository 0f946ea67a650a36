/*
 * The page: reads the address, puts the panels of that screen on it, and keeps them up to date with
 * what livetally.js says. However many updates come, things are drawn once a frame, and only panels
 * whose topics changed; those that nobody can follow so fast rest for a while (restMs) in between.
 *
 * ?lang=zh|en, ?theme=dark|light, ?token=…, ?interval_ms=… (how often figures may change)
 */

import { makeBoard } from './board.js';
import { loadChart, makeChart } from './chart.js';
import { Connection, takeToken } from './connection.js';
import { Attribute, el, endGlides, refreshHint, Text } from './dom.js';
import { pickLanguage } from './format.js';
import { Live } from './livetally.js';
import { HOLD_MS, Lookup } from './lookup.js';
import { makeMap } from './map.js';
import { Page } from './page.js';
import { parseRoute, screenOf } from './route.js';
import { makeSearch } from './search.js';
import { makeSession } from './session.js';
import { makeTicker } from './ticker.js';
import { makeTotal } from './total.js';

const INTERVAL_MS = 250;
const THEMES = ['auto', 'dark', 'light'];

const $ = (id) => document.getElementById(id);
const root = document.documentElement;

/* A setting of this browser: what the address says, else what was chosen before. */
const settings = {
  get(key) {
    try {
      return localStorage.getItem(`livetally.${key}`) ?? undefined;
    } catch {
      return undefined;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`livetally.${key}`, value);
    } catch { /* chosen for this page alone */ }
    const url = new URL(location.href);
    if (url.searchParams.has(key)) {
      url.searchParams.set(key, value);
      history.replaceState(null, '', url);
    }
  },
};

const lookup = new Lookup();
const conventions = { currency: undefined, timeZone: undefined };
const dirty = new Set();
let token = takeToken();
let page;
let named = false; // names have come that panels wait for
let panels = [];
let topics = [];
let connection;
let search;
let frame = 0;
let later; // the timer of panels that rest
/* So much earlier or later a panel is drawn, to share the frame of an update: each frame costs. */
const SLACK_MS = 60;
const UNSEEN_REST_MS = 2000; // of panels that are not on the screen
const TICK_SLACK_MS = 260; // that the clock waits for an update's frame
let told = { state: 'connecting', stale: true, since: null, reason: null };
let live;
let title;
let shownEpoch;
let second; // that the clock shows
const clock = new Text();
const zone = new Text();
let ticker; // the timer of the next one

/* ------------------------------------------------------------------------------- drawing --- */

function draw() {
  frame = 0;
  for (const topic of dirty) {
    const payload = live.get(topic);
    if (payload) lookup.learnFrom(topic, payload);
  }
  for (const panel of panels) panel.measure?.(false); // now: later it would be laid out for it
  endGlides();
  const now = performance.now();
  let wait = Infinity;
  for (const panel of panels) {
    panel.due ||= panel.topics.some((topic) => dirty.has(topic));
    mark(panel);
    if (!panel.due) continue;
    const pause = Math.max(panel.restMs ?? 0, unseen.has(panel.node) ? UNSEEN_REST_MS : 0);
    const rest = (panel.drawnAt ?? -Infinity) + pause - now;
    if (rest > SLACK_MS) {
      wait = Math.min(wait, rest);
    } else {
      /* Drawn without figures it doesn't rest: the first ones are shown at once. */
      panel.drawnAt = panel.topics.some((topic) => live.get(topic)) ? now : undefined;
      panel.due = false;
      panel.update();
      mark(panel);
    }
  }
  if (named || Math.floor(page.now() / 1000) !== second) tick();
  named = false;
  title?.();
  refreshHint();
  dirty.clear();
  clearTimeout(later);
  if (wait < Infinity) later = setTimeout(drawSoon, wait + SLACK_MS);
}

function drawSoon() {
  if (frame === 0) frame = requestAnimationFrame(draw);
}

/*
 * Panels that nobody sees are kept up to date for who has them read out, but not often. One that
 * comes near the screen is drawn at once.
 */
const unseen = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) unseen.delete(target);
    else unseen.add(target);
  }
  drawSoon();
}, { rootMargin: '25% 0px' });

/* Another data set: no panel may rest with figures of the last one, nor keep its names. */
function meet(epoch) {
  if (shownEpoch !== undefined && epoch !== shownEpoch) {
    lookup.forget();
    for (const panel of panels) panel.drawnAt = undefined;
  }
  shownEpoch = epoch;
}

/*
 * What amounts and days are: told before any figures are. A daemon that doesn't say so is of a
 * version that had nothing but the defaults to say.
 */
function learnConventions() {
  const { currency, timeZone } = conventions;
  const greeted = live.state === 'live';
  conventions.currency = live.currency ?? currency ?? (greeted ? 'CNY' : undefined);
  conventions.timeZone = live.timeZone ?? timeZone ?? (greeted ? '+08:00' : undefined);
  if (conventions.currency === currency && conventions.timeZone === timeZone) return;
  for (const panel of panels) panel.restyle?.();
}

function drawState() {
  connection?.draw(told, token !== undefined);
}

/*
 * Greys a panel whose figures are not of now, and says of when they are where that isn't what the
 * state says. Grey at once, but in colour again not before it is drawn anew.
 */
function mark(panel) {
  const [topic] = panel.topics;
  const old = live.isStale(topic);
  if (!old && panel.due) return;
  const since = live.staleSince(topic);
  panel.old ??= new Attribute(panel.node, 'data-old');
  panel.old.set(old ? '' : undefined);
  panel.head.date(since === told.since ? null : page.past(since));
}

/* ------------------------------------------------------------------------------- screens --- */

function makePanels(screen) {
  const made = [];
  if (screen.goal) made.push(makeSession(page, screen));
  if (screen.scope) {
    made.push(makeTotal(page, {
      scope: screen.scope,
      session: screen.kind === 'session',
      note: screen.series ? undefined : page.t('chartless'),
    }));
  }
  if (screen.series) made.push(makeChart(page, { topic: screen.series }));
  const long = screen.scope === undefined || screen.kind === 'province';
  for (const board of screen.boards) made.push(makeBoard(page, { ...board, long }));
  if (screen.map) made.push(makeMap(page, { current: screen.kind === 'province' ? screen.id : undefined }));
  if (screen.ticker) made.push(makeTicker(page, { topic: screen.ticker }));
  return made;
}

async function copyLink(said) {
  const url = new URL(location.href);
  try {
    await navigator.clipboard.writeText(url.href);
  } catch {
    /* Without TLS a page has no clipboard: the old way, and if that fails too, by hand. */
    const field = el('textarea', { class: 'hidden', readonly: true }, url.href);
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    if (!copied) {
      said.set(`${page.t('copyByHand')} ${url.href}`);
      return;
    }
  }
  said.set(page.t('copied'));
  setTimeout(() => said.set(''), 4000);
}

/* The line above the panels of a thing: what it is, its name, its id, and a link to pass on. */
function makeHeading(screen) {
  if (screen.kind === 'overview') {
    title = undefined;
    document.title = `livetally · ${page.t('title')}`;
    return el('h1', { class: 'hidden' }, page.t('title'));
  }
  const name = new Text();
  const note = new Text();
  const said = new Text();
  const since = performance.now();
  title = () => {
    if (screen.id === undefined) return;
    const known = lookup.find(screen.kind, screen.id, page.lang);
    const waits = !live.get(screen.scope) && performance.now() - since < HOLD_MS;
    const shown = known ?? (waits ? '\u00a0' : screen.id);
    const county = screen.kind === 'county' ? lookup.place('province', screen.id.slice(0, 2)) : undefined;
    name.set(shown);
    note.set([county?.[page.lang], shown === screen.id ? '' : screen.id].filter(Boolean).join(' · '));
    document.title = `${known ?? screen.id} · livetally`;
  };
  const what = page.t(screen.kind === 'none' ? 'noScreen' : screen.kind);
  if (screen.id === undefined) {
    document.title = `${what} · livetally`;
    return el('div', { class: 'heading' },
      el('div', {}, el('h1', {}, what),
        ...(screen.kind === 'none' ? [el('p', {}, page.t('noScreenHint'))] : [])),
      el('a', { class: 'button', href: '#/' }, page.t('back')));
  }
  title();
  return el('div', { class: 'heading' },
    el('div', {}, el('p', { class: 'kind' }, what), el('h1', { dir: 'auto' }, name.node), el('p', { class: 'id' }, note.node)),
    el('p', { class: 'said', role: 'status' }, said.node),
    el('button', { type: 'button', onclick: () => copyLink(said) }, page.t('copyLink')),
    el('a', { class: 'button', href: '#/' }, page.t('back')));
}

function showScreen() {
  const screen = screenOf(parseRoute(location.hash));
  const old = topics;
  for (const panel of panels) panel.close?.();
  sight.disconnect();
  unseen.clear();
  panels = makePanels(screen);
  for (const panel of panels) sight.observe(panel.node);
  topics = panels.flatMap((panel) => panel.topics);
  /* Subscribed before the old ones are left, so that what both have stays. */
  live.subscribe(topics);
  live.unsubscribe(old);
  const main = $('main');
  main.dataset.screen = screen.kind;
  const heading = makeHeading(screen);
  main.replaceChildren(heading, ...panels.map((panel) => panel.node));
  for (const link of document.querySelectorAll('nav a')) {
    const here = link.getAttribute('href') === (screen.kind === 'overview' ? '#/' : `#/${screen.kind}`);
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  title?.();
  for (const panel of panels) panel.update();
  drawSoon(); // marks those that are not of now
}

/* Once a second, in the frame of an update if one comes soon after the second began. */
function tick() {
  const now = page.now();
  second = Math.floor(now / 1000);
  clearTimeout(ticker);
  ticker = setTimeout(onTick, 1000 - (now % 1000) + TICK_SLACK_MS);
  clock.set(page.clock(now));
  zone.set(page.zone());
  for (const panel of panels) panel.tick?.();
}

function onTick() {
  tick();
  title?.();
}

/* ----------------------------------------------------------------------- language, theme --- */

function applyTheme(theme) {
  if (theme === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme;
  const name = page.t({ auto: 'themeAuto', dark: 'themeDark', light: 'themeLight' }[theme]);
  $('theme').setAttribute('aria-label', name);
  $('theme').title = name;
  $('theme').dataset.shown = theme;
  for (const panel of panels) panel.restyle?.();
}

function currentTheme() {
  const theme = new URLSearchParams(location.search).get('theme') ?? settings.get('theme');
  return THEMES.includes(theme) ? theme : 'auto';
}

/* Writes everything anew in `lang`. */
function applyLanguage(lang) {
  page = new Page(lang, lookup, conventions);
  page.live = live;
  root.lang = lang === 'zh' ? 'zh-CN' : 'en';
  for (const node of document.querySelectorAll('[data-text]')) {
    node.textContent = page.t(node.dataset.text);
  }
  $('language').setAttribute('aria-label', page.t('languageLabel'));
  connection?.close();
  connection = new Connection(page, $('state'), (typed) => {
    token = typed;
    connect();
    showScreen();
  });
  search?.close();
  search = makeSearch(page, $('search'));
  showScreen();
  drawState();
  applyTheme(currentTheme());
  onTick();
}

/* ---------------------------------------------------------------------------- connection --- */

function connect() {
  live?.close();
  topics = [];
  told = { state: 'connecting', stale: true, since: null, reason: null };
  const asked = Number(new URLSearchParams(location.search).get('interval_ms'));
  live = new Live({ token, intervalMs: asked >= 100 ? asked : INTERVAL_MS });
  live.on('update', ({ topics: changed, epoch }) => {
    learnConventions();
    meet(epoch);
    named = lookup.take(changed) || named;
    for (const topic of changed) dirty.add(topic);
    drawSoon();
  });
  live.on('state', (state) => {
    told = state;
    learnConventions();
    drawState();
    if (page) drawSoon();
  });
  live.on('error', ({ code, message, topic }) => {
    const reason = code === 'forbidden_topic' ? page.t('topicForbidden') : message;
    if (!topic || code === 'unavailable') return;
    if (lookup.refuse(topic)) {
      named = true;
      drawSoon();
    }
    refuse(topic, reason);
  });
  lookup.follow(live);
  if (page) page.live = live;
}

/* The server won't show a topic to this token, or doesn't know it: its panel says so. */
function refuse(topic, reason) {
  for (const panel of panels.filter(({ topics: own }) => own.includes(topic))) {
    if ('refused' in panel.node.dataset) continue;
    panel.node.dataset.refused = '';
    panel.node.append(el('p', { class: 'refusal' }, page.t('topicRefused', { reason })));
  }
}

async function start() {
  $('clock').append(clock.node, el('small', {}, zone.node));
  const chosen = settings.get('lang');
  connect();
  await Promise.all([lookup.load(), loadChart()]);
  applyLanguage(pickLanguage(location.search, {
    languages: [chosen, ...navigator.languages].filter(Boolean),
  }));
  $('language').addEventListener('click', () => {
    const lang = page.lang === 'zh' ? 'en' : 'zh';
    settings.set('lang', lang);
    applyLanguage(lang);
  });
  $('theme').addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
    settings.set('theme', next);
    applyTheme(next);
  });
  $('skip').addEventListener('click', (event) => {
    event.preventDefault(); // what is behind # names a screen
    $('main').focus();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const panel of panels) panel.restyle?.();
  });
  addEventListener('resize', () => {
    for (const panel of panels) panel.measure?.(true);
  });
  addEventListener('hashchange', () => {
    showScreen();
    scrollTo(0, 0);
    $('main').focus({ preventScroll: true });
  });
}

start();
