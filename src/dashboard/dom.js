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

const still = matchMedia('(prefers-reduced-motion: reduce)');

/* Whether things may move. */
export const mayMove = () => !still.matches;

const gliding = new WeakMap(); // row: {from, run}

/*
 * Lets a row that was `px` further down (or up, below zero) glide to where it is now. One that is
 * still on its way goes on from where it is seen, without a jump. Browsers do this beside the main
 * thread as long as it is one movement at a time, in pixels.
 */
export function glide(node, px) {
  const before = gliding.get(node);
  const progress = before?.run.effect?.getComputedTiming().progress ?? 1;
  const from = px + (before?.from ?? 0) * (1 - progress);
  before?.run.cancel();
  const run = node.animate(
    { transform: [`translateY(${from}px)`, 'translateY(0)'] },
    { duration: 450, easing: 'cubic-bezier(0.2, 0.7, 0.2, 1)' },
  );
  gliding.set(node, { from, run });
}
