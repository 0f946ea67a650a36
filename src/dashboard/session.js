/* What a session is and how far it got: its host, its goal, and the time it still has. */

import { Attribute, el, Style, Text } from './dom.js';
import { formatDuration, formatPercent } from './format.js';
import { PanelHead } from './page.js';
import { linkTo } from './route.js';

export function makeSession(page, { scope }) {
  const host = new Text();
  const link = el('a', { dir: 'auto' }, host.node);
  const href = new Attribute(link, 'href');
  const hostLabel = new Attribute(link, 'aria-label'); // while the name is still to come
  const percent = new Text();
  const fill = el('span', { class: 'fill' });
  const width = new Style(fill, 'transform');
  const bar = el('div', {
    class: 'goal-bar', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100',
    'aria-label': page.t('goal'),
  }, fill);
  const value = new Attribute(bar, 'aria-valuenow');
  const valueText = new Attribute(bar, 'aria-valuetext');
  const reached = new Attribute(bar, 'data-reached');
  const none = new Attribute(bar, 'data-none');
  const label = new Text();
  const clock = new Text();
  const when = new Text();
  const head = new PanelHead(page, scope, {
    id: 'session-title', title: page.t('session'), note: [link],
  });
  const node = el('section', { class: 'panel session', 'aria-labelledby': 'session-title' },
    head.node,
    el('div', { class: 'countdown' },
      el('h3', {}, label.node), el('p', { class: 'clock' }, clock.node), el('p', {}, when.node)),
    el('div', { class: 'goal' }, bar, el('p', {}, percent.node)));

  const at = (ms) => `${page.dateTime(ms)} ${page.zone()}`.trim();

  function drawClock(session) {
    const now = page.now();
    const { starts_at: starts, ends_at: ends } = session;
    const count = (key, until, told) => {
      label.set(page.t(key));
      clock.set(formatDuration(until - now, { lang: page.lang }));
      when.set(page.t(told, { time: at(until) }));
    };
    if (starts && now < starts) count('startsIn', starts, 'startsAt');
    else if (ends && now < ends) count('endsIn', ends, 'endsAt');
    else {
      label.set(page.t(ends ? 'ended' : 'endOpen'));
      clock.set(ends ? formatDuration(0, { lang: page.lang }) : '–');
      when.set(ends ? page.t('endedAt', { time: at(ends) }) : '');
    }
  }

  function drawGoal(session) {
    const { goal } = session;
    const sold = session.all.gross;
    none.set(goal ? undefined : '');
    if (!goal) {
      percent.set(page.t('goalNone'));
      return;
    }
    const told = page.t('goalOf', { percent: formatPercent(sold, goal), amount: page.round(goal) });
    percent.set(sold >= goal ? `${page.t('goalReached')} · ${told}` : told);
    width.set(`scaleX(${Math.min(1, sold / goal).toFixed(4)})`);
    value.set(String(Math.min(100, Math.floor((sold / goal) * 100))));
    valueText.set(told);
    reached.set(sold >= goal ? '' : undefined);
  }

  function update() {
    const session = page.live.get(scope);
    if (!session) return;
    if (session.host_id) {
      const name = page.lookup.wantedName('host', session.host_id, page.lang);
      host.set(name);
      hostLabel.set(name ? undefined : session.host_id);
      href.set(linkTo('host', session.host_id));
    }
    drawGoal(session);
    drawClock(session);
  }

  return { node, head, topics: [scope], update, tick: update };
}
