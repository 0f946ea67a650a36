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
 * One piece of text on the page. What is written already is remembered here, since asking the page
 * costs more than knowing, and a text that is written anew is laid out anew.
 */
export class Text {
  constructor(initial = '') {
    this.node = document.createTextNode(initial);
    this.shown = initial;
  }

  set(value) {
    if (value === this.shown) return;
    this.shown = value;
    this.node.data = value;
  }
}

/* The same for an attribute; undefined takes it away. */
export class Attribute {
  constructor(node, name) {
    this.node = node;
    this.name = name;
    this.shown = undefined;
  }

  set(value) {
    if (value === this.shown) return;
    this.shown = value;
    if (value === undefined) this.node.removeAttribute(this.name);
    else this.node.setAttribute(this.name, value);
  }
}

/* And for a property of style, by way of the script, which a strict policy allows. */
export class Style {
  constructor(node, name) {
    this.node = node;
    this.name = name;
    this.shown = undefined;
  }

  set(value) {
    if (value === this.shown) return;
    this.shown = value;
    this.node.style.setProperty(this.name, value);
  }
}

const still = matchMedia('(prefers-reduced-motion: reduce)');

/* Whether things may move. */
export const mayMove = () => !still.matches;

/*
 * Lets a row that was `rows` further down (or up, below zero) glide to where it is now. Movements
 * add up, so one that starts while another runs makes no jump. All rows are of one height, which is
 * why nothing has to be measured.
 */
export function glide(node, rows) {
  node.animate(
    { transform: [`translateY(${rows * 100}%)`, 'translateY(0)'] },
    { duration: 450, easing: 'cubic-bezier(0.2, 0.7, 0.2, 1)', composite: 'add' },
  );
}
