/* Making elements, and writing to them only what changed. */

/* An element with attributes ("on…" ones are listeners) and children, strings or nodes. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/*
 * Something on the page that is written again and again. What is written already is remembered here,
 * since asking the page costs more than knowing, and what is written anew is laid out anew.
 */
class Written {
  constructor(node, name, shown) {
    this.node = node;
    this.name = name;
    this.shown = shown;
  }

  set(value) {
    if (value === this.shown) return;
    this.shown = value;
    this.write(value);
  }
}

export class Text extends Written {
  constructor(initial = '') {
    super(document.createTextNode(initial), undefined, initial);
  }

  write(value) {
    this.node.data = value;
  }
}

/* Undefined takes it away. */
export class Attribute extends Written {
  write(value) {
    if (value === undefined) this.node.removeAttribute(this.name);
    else this.node.setAttribute(this.name, value);
  }
}

/* A property of style, by way of the script, which a strict policy allows. */
export class Style extends Written {
  write(value) {
    this.node.style.setProperty(this.name, value);
  }
}

/*
 * Titles that are there only while somebody points at their element. Where a title changes, styles
 * are looked up anew, and a hundred of them would change at each update with nobody to read them.
 */
const hints = new WeakMap(); // element: what makes its text, undefined for none
let pointed; // the element with a hint that is pointed at

document.addEventListener('pointerover', ({ target }) => {
  let node = target;
  while (node && !hints.has(node)) node = node.parentElement;
  if (node !== pointed) pointed?.removeAttribute('title');
  pointed = node;
  refreshHint();
}, { passive: true });

/* Gives `node` the title that `make` returns, or none where that is undefined. */
export function hint(node, make) {
  hints.set(node, make);
}

/* Figures changed: what is told of the one that is pointed at must be of now too. */
export function refreshHint() {
  if (!pointed) return;
  const told = hints.get(pointed)();
  if (told === undefined) pointed.removeAttribute('title');
  else if (pointed.title !== told) pointed.title = told;
}

const still = matchMedia('(prefers-reduced-motion: reduce)');

/* Whether things may move. */
export const mayMove = () => !still.matches;

const GLIDE_MS = 400;
const HOLD_MS = 8 * GLIDE_MS;
/* Exactly 1 − (1 − t)³, so that where a row is seen can be told without asking the page. */
const EASING = 'cubic-bezier(0.3333333, 1, 0.6666667, 1)';
const gliding = new Map(); // row: {from, run}

/*
 * Lets a row that was `px` further down (or up, below zero) glide to where it is now. One that is
 * still on its way goes on from where it is seen, without a jump. Browsers do this beside the main
 * thread as long as it is one movement at a time, in pixels. Only its end costs frames of the page:
 * so it stays where it has arrived, until endGlides() ends it in a frame that is drawn anyway.
 */
export function glide(node, px) {
  const before = gliding.get(node);
  const left = before ? 1 - Math.min(1, (before.run.currentTime ?? 0) / GLIDE_MS) : 0;
  const from = px + (left ? before.from * left ** 3 : 0);
  before?.run.cancel();
  const run = node.animate([
    { transform: `translateY(${from}px)`, easing: EASING },
    { transform: 'translateY(0)', offset: GLIDE_MS / HOLD_MS },
    { transform: 'translateY(0)' },
  ], HOLD_MS);
  run.onfinish = () => gliding.delete(node);
  gliding.set(node, { from, run });
}

/* Ends those that have arrived. */
export function endGlides() {
  for (const [node, { run }] of gliding) {
    if (run.currentTime < GLIDE_MS) continue;
    run.cancel();
    gliding.delete(node);
  }
}
