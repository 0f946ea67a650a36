/*
 * What stands after # in the address names a screen, and a screen names the topics it shows. Pure
 * functions, the same in Node. An address that is not one is a screen of its own, which says so.
 */

const ID = /^[A-Za-z0-9._~:@-]{1,64}$/;
const COUNTY = /^[1-8]\d(?!\d\d00$)\d{4}$/;
const PROVINCE = /^[1-8]\d$/;

/* What may follow each kind of screen. */
const RULES = { host: ID, product: ID, session: ID, county: COUNTY, province: PROVINCE };

/* Boards that have a screen of their own, with as many rows as the server gives. */
const LISTS = ['hosts', 'counties', 'products', 'sessions'];

export const KINDS = Object.keys(RULES);

/* Whether `id` can name one of `kind`. */
export const allows = (kind, id) => RULES[kind].test(id);

/* The screen an address like "#/host/ling" names: {kind, id}; kind "none" for what names none. */
export function parseRoute(hash) {
  const parts = hash.replace(/^#?\/?/, '').split('/');
  const [kind, ...rest] = parts;
  if (parts.length === 1 && kind === '') return { kind: 'overview' };
  if (parts.length === 1 && LISTS.includes(kind)) return { kind };
  let id = rest.join('/');
  try {
    id = decodeURIComponent(id);
  } catch {
    return { kind: 'none' }; // a % that encodes nothing
  }
  return Object.hasOwn(RULES, kind) && allows(kind, id) ? { kind, id } : { kind: 'none' };
}

/* The address of a screen within this page. */
export function linkTo(kind, id) {
  return id === undefined ? `#/${kind}` : `#/${kind}/${encodeURIComponent(id)}`;
}

const board = (of, topic) => ({ of, topic });

const SCREENS = {
  overview: () => ({
    scope: 'total',
    series: 'series/total',
    boards: [board('hosts', 'top/hosts'), board('counties', 'top/counties'),
      board('products', 'top/products')],
    map: true,
    ticker: 'ticker',
  }),
  host: (id) => ({
    scope: `host/${id}`,
    series: `series/host/${id}`,
    boards: [board('products', `top/products?host=${id}`)],
  }),
  county: (id) => ({
    scope: `county/${id}`,
    series: `series/county/${id}`,
    boards: [board('hosts', `top/hosts?county=${id}`), board('products', `top/products?county=${id}`)],
  }),
  product: (id) => ({ scope: `product/${id}`, boards: [] }),
  session: (id) => ({
    scope: `session/${id}`,
    series: `series/session/${id}`,
    boards: [board('products', `top/products?session=${id}`)],
    ticker: `ticker/session/${id}`,
    goal: true,
  }),
  province: (id) => ({
    scope: `province/${id}`,
    boards: [board('counties', `top/counties?province=${id}&n=20`)],
    map: true,
  }),
  hosts: () => ({ boards: [board('hosts', 'top/hosts?n=100')] }),
  counties: () => ({ boards: [board('counties', 'top/counties?n=100')] }),
  products: () => ({ boards: [board('products', 'top/products?n=100')] }),
  sessions: () => ({ boards: [board('sessions', 'top/sessions?n=100')] }),
  none: () => ({ boards: [] }),
};

/*
 * What the screen of a route shows: {kind, id, scope, series, boards: [{of, topic}], map, ticker,
 * goal}; what it has not is left out. Topics are in their canonical form.
 */
export function screenOf({ kind, id }) {
  return { kind, id, ...SCREENS[kind](id) };
}
