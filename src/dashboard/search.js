/*
 * The search box: a list that is open while something is typed. The server has no search, so this
 * looks through the names that the page has seen and those of counties, and offers to open what was
 * typed as an id; it says so.
 */

import { el, Text } from './dom.js';
import { allows, KINDS, linkTo } from './route.js';

const MOST = 8;
const OPEN_AS = {
  host: 'openHost',
  session: 'openSession',
  product: 'openProduct',
  county: 'openCounty',
  province: 'openProvince',
};

/* What `query` leads to: things found by name, then what it may be the id of. */
function choices(page, query) {
  const found = page.lookup.search(query, page.lang, MOST)
    .map(({ kind, id, name }) => ({ kind, id, name, note: `${page.t(kind)} · ${id}` }));
  const named = new Set(found.map(({ kind, id }) => `${kind}/${id}`));
  const typed = KINDS
    .filter((kind) => allows(kind, query) && !named.has(`${kind}/${query}`))
    .map((kind) => ({ kind, id: query, name: query, note: page.t(OPEN_AS[kind]) }));
  return [...found, ...typed];
}

/* Makes `box` a search box. Returns {close}. */
export function makeSearch(page, box) {
  const list = el('ul', { id: 'search-list', role: 'listbox', 'aria-label': page.t('search') });
  const hint = el('p', { class: 'hint' }, page.t('searchHint'));
  const said = new Text();
  const popup = el('div', { class: 'popup', hidden: true }, list, hint);
  const input = el('input', {
    type: 'search',
    role: 'combobox',
    placeholder: page.t('search'),
    'aria-label': page.t('search'),
    'aria-expanded': 'false',
    'aria-controls': 'search-list',
    'aria-autocomplete': 'list',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '64',
  });
  let shown = [];
  let active = -1;

  function close() {
    popup.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
    active = -1;
  }

  function go(choice) {
    input.value = '';
    close();
    input.blur();
    location.hash = linkTo(choice.kind, choice.id);
  }

  function mark(index) {
    active = index;
    [...list.children].forEach((item, i) => item.setAttribute('aria-selected', String(i === index)));
    if (index < 0) input.removeAttribute('aria-activedescendant');
    else {
      input.setAttribute('aria-activedescendant', `search-${index}`);
      list.children[index].scrollIntoView({ block: 'nearest' });
    }
  }

  function open() {
    const query = input.value.trim();
    if (query === '') {
      close();
      return;
    }
    shown = choices(page, query);
    list.replaceChildren(...shown.map((choice, i) => el('li', {
      id: `search-${i}`,
      role: 'option',
      'aria-selected': 'false',
      onmousedown: (event) => event.preventDefault(),
      onclick: () => go(choice),
    }, el('span', {}, choice.name), el('small', {}, choice.note))));
    said.set(page.t('searchSeen', { n: shown.length }));
    popup.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    mark(-1);
  }

  const keys = {
    ArrowDown: () => mark(shown.length ? (active + 1) % shown.length : -1),
    ArrowUp: () => mark(shown.length ? (active - 1 + shown.length) % shown.length : -1),
    Enter: () => { if (shown.length) go(shown[Math.max(0, active)]); },
    Escape: () => { input.value = ''; close(); },
  };
  input.addEventListener('input', open);
  input.addEventListener('focus', open);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.isComposing || !keys[event.key] || (popup.hidden && event.key !== 'Escape')) return;
    event.preventDefault();
    keys[event.key]();
  });
  const slash = (event) => {
    if (event.key !== '/' || event.target.closest('input, dialog')) return;
    event.preventDefault();
    input.focus();
  };
  document.addEventListener('keydown', slash);
  box.replaceChildren(input, popup, el('p', { class: 'hidden', role: 'status' }, said.node));
  return { close: () => document.removeEventListener('keydown', slash) };
}
