/*
 * Amounts, counts and times as people read them, for both pages. Pure functions, the same in Node.
 *
 * Amounts come in fen, up to 2^53 - 1 of them: dividing such a number as a double loses the fen, so
 * everything here stays in integers (BigInt where a product could leave 2^53).
 */

const MINUS = '\u2212';
const SYMBOLS = { CNY: '¥' };
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

const symbolOf = (currency) => SYMBOLS[currency] ?? `${currency}\u00a0`;

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
function compactAmount(size, lang) {
  const group = lang === 'zh' ? String : commas;
  const small = size % 100 !== 0 && size < 10000;
  return small ? pointed(String(size), 2, group) : short(BigInt(size), 2, lang, group);
}

function exactAmount(size, lang) {
  const rest = size % 100;
  const yuan = String((size - rest) / 100);
  return `${lang === 'zh' ? myriads(yuan) : commas(yuan)}.${String(rest).padStart(2, '0')}`;
}

/*
 * Without the zeros at its end that say nothing: a whole yuan's fen, those of a figure in front of
 * its unit, and of a whole 万 or 亿. Of fen there are two or none.
 */
function withoutZeros(amount) {
  return amount
    .replace(/\.00$/, '')
    .replace(/(\.\d*?)0+(?=[万亿KMB]$)/, (_, kept) => (kept === '.' ? '' : kept))
    .replace(/(?<=[万亿])0000$/, '')
    .replace(/(?<=亿)0000万$/, '');
}

/*
 * An amount of fen. Exact to the fen unless `compact`: in Chinese in groups of 万 and 亿, else with
 * commas. Compact: three figures and a unit (万, 亿; K, M, B), whole yuan below ten thousand.
 * `round` is for what somebody chose, goals and marks of an axis; what is counted keeps its zeros,
 * so that its width stays as it grows.
 */
export function formatAmount(fen, { lang = 'en', currency = 'CNY', compact = false, round = false } = {}) {
  const size = Math.abs(fen);
  const amount = (compact ? compactAmount : exactAmount)(size, lang);
  return (fen < 0 ? MINUS : '') + symbolOf(currency) + (round ? withoutZeros(amount) : amount);
}

/* A number of things; compact as with amounts. */
export function formatCount(n, { lang = 'en', compact = false } = {}) {
  const size = Math.abs(n);
  const sign = n < 0 ? MINUS : '';
  return sign + (compact ? short(BigInt(size), 0, lang, commas) : commas(String(size)));
}

/* Yuan with a point and nothing else, for files: -1234.05. */
export function plainYuan(fen) {
  const size = Math.abs(fen);
  const rest = size % 100;
  return `${fen < 0 ? '-' : ''}${(size - rest) / 100}.${String(rest).padStart(2, '0')}`;
}

const clocks = new Map();

function clockOf(timeZone, seconds, date) {
  const key = `${timeZone}/${seconds}/${date}`;
  if (!clocks.has(key)) {
    clocks.set(key, new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      ...(seconds ? { second: '2-digit' } : {}),
      ...(date ? { year: 'numeric', month: '2-digit', day: '2-digit' } : {}),
    }));
  }
  return clocks.get(key);
}

/* HH:MM:SS, or as asked for; in the viewer's time zone unless one is given. */
export function formatTime(ms, { timeZone, seconds = true, date = false } = {}) {
  const parts = {};
  for (const { type, value } of clockOf(timeZone, seconds, date).formatToParts(ms)) {
    parts[type] = value;
  }
  const time = `${parts.hour}:${parts.minute}${seconds ? `:${parts.second}` : ''}`;
  return date ? `${parts.year}-${parts.month}-${parts.day} ${time}` : time;
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
