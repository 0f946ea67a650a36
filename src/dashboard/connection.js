/*
 * What the page says of its connection, always the truth: live; reconnecting or stale, with the
 * time that the figures are of, and then everything is grey; or that a token is needed.
 */

import { Attribute, el, Text } from './dom.js';

const STORE = 'livetally.token';
const DENIED = ['unauthorized', 'token_expired', 'token_revoked', 'forbidden', 'auth_timeout'];
const REASONS = {
  unauthorized: 'tokenInvalid',
  token_expired: 'tokenExpired',
  token_revoked: 'tokenRevoked',
  forbidden: 'tokenScope',
};

/*
 * The token that came with the address, or with this tab before. It is taken out of the address at
 * once, so that it is in no link that is copied and in no history.
 */
export function takeToken() {
  const url = new URL(location.href);
  const given = url.searchParams.get('token');
  try {
    if (given) sessionStorage.setItem(STORE, given);
    if (given !== null) {
      url.searchParams.delete('token');
      history.replaceState(null, '', url);
    }
    return given || sessionStorage.getItem(STORE) || undefined;
  } catch {
    return given || undefined; // no storage in this browser
  }
}

function keepToken(token) {
  try {
    sessionStorage.setItem(STORE, token);
  } catch { /* then for this page alone */ }
}

/* Asks for a token in a dialog; `onToken` gets it. Only one dialog is open at a time. */
class TokenPrompt {
  constructor(onToken) {
    this.onToken = onToken;
    this.dialog = undefined;
  }

  ask(page, reason) {
    if (this.dialog) return;
    const field = el('input', {
      type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', required: true,
    });
    const close = () => this.close();
    const form = el('form', { method: 'dialog' },
      el('h2', { id: 'token-title' }, page.t('tokenTitle')),
      el('p', {}, page.t('tokenHint')),
      ...(reason ? [el('p', { class: 'refusal', role: 'alert' }, page.t('tokenRefused', { reason }))] : []),
      el('label', { for: 'token' }, page.t('tokenField')),
      field,
      el('p', { class: 'buttons' },
        el('button', { type: 'button', onclick: close }, page.t('close')),
        el('button', { type: 'submit', class: 'main' }, page.t('tokenSend'))));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (!token) return;
      this.close();
      keepToken(token);
      this.onToken(token);
    });
    this.dialog = el('dialog', { class: 'prompt', 'aria-labelledby': 'token-title', onclose: close }, form);
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  close() {
    const { dialog } = this;
    this.dialog = undefined;
    dialog?.close();
    dialog?.remove();
  }
}

export class Connection {
  /* `node` shows the state; `onToken` is called with a token that was typed in. */
  constructor(page, node, onToken) {
    this.page = page;
    this.text = new Text();
    node.replaceChildren(this.text.node);
    this.state = new Attribute(document.documentElement, 'data-state');
    this.prompt = new TokenPrompt(onToken);
    this.asked = false;
  }

  /* Draws what `live` says of itself: its last "state" event, or what it began with. The page knows
     of it already. */
  draw(told, hasToken) {
    const { page } = this;
    const time = told.since ? page.clock(page.past(told.since)) : '';
    const denied = DENIED.includes(told.reason);
    let shown = told.state;
    let words = page.t('live');
    if (denied) {
      shown = 'denied';
      words = page.t('needToken');
    } else if (told.state === 'closed') {
      words = page.t('closed', { reason: told.reason ?? '' });
    } else if (told.state === 'connecting') {
      words = page.t('connecting');
    } else if (told.state === 'reconnecting') {
      words = time ? page.t('reconnecting', { time }) : page.t('reconnectingFirst');
    } else if (told.stale) {
      shown = 'stale';
      words = page.t('stale', { time: time || '–' });
    }
    this.text.set(words);
    this.state.set(shown);
    const key = REASONS[told.reason];
    const reason = key ? page.t(key) : told.reason;
    if (denied && !this.asked) this.prompt.ask(page, hasToken ? reason : undefined);
    if (denied) this.asked = true;
    if (told.state === 'live') {
      this.asked = false;
      this.prompt.close();
    }
  }

  close() {
    this.prompt.close();
  }
}
