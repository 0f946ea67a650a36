/*
 * Amounts, counts and times as people read them, for both pages. Pure functions, the same in Node.
 *
 * Amounts come in minor units of their currency (fen), up to 2^53 - 1 of them: dividing such a number
 * as a double loses the last ones, so everything here stays in integers (BigInt where a product could
 * leave 2^53).
 */

const MINUS = '\u2212';
const LANGUAGES = ['zh', 'en'];

/* Of short forms, largest first: from 10^from on, counted in 10^scale. */
const UNITS = {
  zh: [{ from: 8, scale: 8, mark: '亿' }, { from: 4, scale: 4, mark: '万' }],
  en: [
    { from: 9, scale: 9, mark: 'B' },
    { from: 6, scale: 6, mark: 'M' },
    { from: 4, scale: 3, mark: 'K' },
  ],
};

const commas = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ',');

/*
 * Currencies whose minor unit isn't a hundredth, by ISO 4217, which is what tools count in. Not by
 * Intl: it tells how prices are usually written, and of a dozen currencies (IDR, IQD, HUF …) that is
 * with fewer digits, which would make amounts a hundred or a thousand times too large.
 */
const DIGITS = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
};
const digitsOf = new Map(Object.entries(DIGITS).flatMap(([digits, currencies]) => (
  currencies.split(' ').map((currency) => [currency, Number(digits)]))));

/* How many digits of an amount in minor units stand behind the point. */
export const minorDigits = (currency) => digitsOf.get(currency) ?? 2;

const symbols = new Map([['zh CNY', '¥'], ['en CNY', '¥']]); // CN¥ in English, says Intl

/* What stands in front of an amount; a code instead of a sign stands apart. */
function symbolOf(currency, lang) {
  const key = `${lang} ${currency}`;
  if (!symbols.has(key)) {
    const symbol = new Intl.NumberFormat(lang, { style: 'currency', currency })
      .formatToParts(0).find(({ type }) => type === 'currency').value;
    symbols.set(key, /\p{L}$/u.test(symbol) ? `${symbol}\u00a0` : symbol);
  }
  return symbols.get(key);
}

/* In fours from the right: 123456789 is 1亿2345万6789. */
function myriads(digits) {
  let out = digits.slice(-4);
  if (digits.length > 4) out = `${digits.slice(-8, -4)}万${out}`;
  if (digits.length > 8) out = `${digits.slice(0, -8)}亿${out}`;
  return out;
}

const power = (exponent) => 10n ** BigInt(exponent);

/* `digits` with a point before the last `places`, and what is before it as `group` groups it. */
function pointed(digits, places, group) {
  if (places === 0) return group(digits);
  const all = digits.padStart(places + 1, '0');
  return `${group(all.slice(0, -places))}.${all.slice(-places)}`;
}

/*
 * `value` counts 10^-places. Three figures, whole ones from 1,000 on, rounded half up. What rounding
 * carries over is looked at again: 99,995,000 is 1.00亿, not 10,000万.
 */
function short(value, places, lang, group) {
  const unit = UNITS[lang].find(({ from }) => value >= power(from + places));
  const scale = places + (unit?.scale ?? 0);
  const whole = value / power(scale);
  const kept = !unit || whole >= 100n ? 0 : whole >= 10n ? 1 : 2;
  const step = power(scale - kept);
  const count = (value + step / 2n) / step;
  if (count * step !== value) return short(count * step, places, lang, group);
  return pointed(String(count), kept, group) + (unit?.mark ?? '');
}

/* Amounts grouped by 万 have no commas too, however short they are. */
function compactAmount(size, digits, lang) {
  const group = lang === 'zh' ? String : commas;
  const unit = 10 ** digits;
  const small = size % unit !== 0 && size < 100 * unit;
  return small ? pointed(String(size), digits, group) : short(BigInt(size), digits, lang, group);
}

/*
 * Without the zeros at its end that say nothing: a whole yuan's fen, those of a figure in front of
 * its unit, and of a whole 万 or 亿. Of fen there are two or none.
 */
function withoutZeros(amount) {
  return amount
    .replace(/\.0+$/, '')
    .replace(/(\.\d*?)0+(?=[万亿KMB]$)/, (_, kept) => (kept === '.' ? '' : kept))
    .replace(/(?<=[万亿])0000$/, '')
    .replace(/(?<=亿)0000万$/, '');
}

/*
 * An amount in minor units. Exact unless `compact`: in Chinese in groups of 万 and 亿, else, and with
 * `books`, with commas. Compact: three figures and a unit (万, 亿; K, M, B), whole yuan below ten
 * thousand. `round` is for what somebody chose, goals and marks of an axis; what is counted keeps its
 * zeros, so that its width stays as it grows.
 */
export function formatAmount(minor, {
  lang = 'en', currency = 'CNY', compact = false, round = false, books = false,
} = {}) {
  const size = Math.abs(minor);
  const digits = minorDigits(currency);
  const amount = compact ? compactAmount(size, digits, lang)
    : pointed(String(size), digits, lang === 'zh' && !books ? myriads : commas);
  return (minor < 0 ? MINUS : '') + symbolOf(currency, lang) + (round ? withoutZeros(amount) : amount);
}

/* How much room `string` takes in figures, more or less: 万 is as wide as two of them. */
export function widthOf(string) {
  return [...string].reduce((sum, c) => sum + (c > '\u2fff' ? 2 : 1), 0);
}

/*
 * From which amount on, a power of ten of at most 10^whole yuan, exact ones are wider than `figures`.
 */
export function amountThatFits(figures, whole, { lang, currency }) {
  let power10 = whole + minorDigits(currency);
  while (widthOf(formatAmount(10 ** power10 - 1, { lang, currency })) > figures) power10 -= 1;
  return 10 ** power10;
}

/* A number of things; compact as with amounts. */
export function formatCount(n, { lang = 'en', compact = false } = {}) {
  const size = Math.abs(n);
  const sign = n < 0 ? MINUS : '';
  return sign + (compact ? short(BigInt(size), 0, lang, commas) : commas(String(size)));
}

/* The same for files, in whole units with a point and nothing else: -1234.05. */
export function plainAmount(minor, currency) {
  return (minor < 0 ? '-' : '') + pointed(String(Math.abs(minor)), minorDigits(currency), String);
}

/* What `timeZone`, UTC or an offset like +08:00, is ahead of UTC. */
export function zoneMs(timeZone) {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(timeZone) ?? [null, '+', 0, 0];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60000;
}

/* Years beyond 9999 are longer, hence from the end. A time that no calendar has is a dash. */
export function formatTime(ms, { timeZone, seconds = true, date = false }) {
  const at = new Date(ms + zoneMs(timeZone));
  if (Number.isNaN(at.getTime())) return '–';
  const text = at.toISOString();
  const time = text.slice(-13, seconds ? -5 : -8);
  return date ? `${text.slice(0, -14)} ${time}` : time;
}

/* A time still to go, as 2d 03:04:05 or 03:04:05; never below zero. */
export function formatDuration(ms, { lang = 'en' } = {}) {
  const total = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const days = Math.floor(total / 86400);
  const clock = [Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60].map(two);
  return (days ? `${days}${lang === 'zh' ? '天' : 'd'} ` : '') + clock.join(':');
}

/* part/whole in tenths of a percent, cut, so that only the whole shows as 100.0 %. */
export function formatPercent(part, whole) {
  if (!(whole > 0)) return '';
  const tenths = (BigInt(Math.max(0, part)) * 1000n) / BigInt(whole);
  return `${commas(String(tenths / 10n))}.${tenths % 10n}%`;
}

/* "zh" or "en": what ?lang= says, else the first language of the browser that is one of them. */
export function pickLanguage(search, navigator) {
  const asked = new URLSearchParams(search).get('lang');
  const wanted = [asked, ...(navigator?.languages ?? [navigator?.language])];
  for (const tag of wanted) {
    const lang = String(tag ?? '').toLowerCase().split(/[-_]/)[0];
    if (LANGUAGES.includes(lang)) return lang;
  }
  return 'en';
}
