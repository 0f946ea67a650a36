/*
 * The live page: one WebSocket to /v1/live, a copy of what it said last, and a drawing of that at
 * most once a frame. Updates carry absolute values, so there is nothing to reconcile: what comes
 * replaces what was there, only the ticker and the series are added to.
 *
 * Rows are made once and refilled, so nothing on the page moves but the figures.
 */

const ROWS = 10;
const TICKER_ROWS = 12;
const MINUTES = 120;
const MINUTE_MS = 60000;
const SILENCE_MS = 25000; // the server says something every 15 s
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 30000;
const BOARDS = { hosts: 'top/hosts', counties: 'top/counties', products: 'top/products' };
const SERIES = 'series/total'; // its default: 120 minutes
const TOKEN = new URLSearchParams(location.search).get('token');
const TOPICS = ['total', 'ticker', SERIES, ...Object.values(BOARDS)];

const $ = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat('en-US');

/* Fen to yuan in integers: 2⁵³ fen would lose its fen in a division. */
function money(fen) {
  const size = Math.abs(fen);
  const rest = size % 100;
  const sign = fen < 0 ? '−' : '';
  return `${sign}¥${grouped.format((size - rest) / 100)}.${String(rest).padStart(2, '0')}`;
}

const count = (value) => grouped.format(value);
const many = (value, one, more) => `${count(value)} ${value === 1 ? one : more}`;
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');

/* What the server said last. */
const shown = { epoch: null, total: null, boards: {}, orders: [], minutes: new Map() };

function forget() {
  shown.total = null;
  shown.boards = {};
  shown.orders = [];
  shown.minutes.clear();
}

function takeSeries(series) {
  series.gross.forEach((gross, i) => {
    shown.minutes.set(series.start + i * series.step_ms, gross);
  });
  const oldest = Math.max(...shown.minutes.keys()) - (MINUTES - 1) * MINUTE_MS;
  for (const at of shown.minutes.keys()) if (at < oldest) shown.minutes.delete(at);
}

function takeTopics(topics) {
  if (topics.total) shown.total = topics.total;
  for (const [board, topic] of Object.entries(BOARDS)) {
    if (topics[topic]) shown.boards[board] = topics[topic];
  }
  if (topics[SERIES]) takeSeries(topics[SERIES]);
  if (topics.ticker) {
    const arrived = topics.ticker.orders.slice().reverse();
    for (const order of arrived) order.fresh = true;
    shown.orders = [...arrived, ...shown.orders].slice(0, TICKER_ROWS);
  }
}

/* Drawing */

function element(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

function makeBoard(list) {
  return Array.from({ length: ROWS }, (_, i) => {
    const row = element('li');
    const parts = {
      row,
      name: element('span', 'name'),
      amount: element('span', 'amount'),
      orders: element('span'),
      refunded: element('span'),
    };
    const rank = element('span', 'rank');
    const detail = element('span', 'detail');
    rank.textContent = i + 1;
    detail.append(parts.orders, parts.refunded);
    row.append(rank, parts.name, parts.amount, detail);
    row.dataset.empty = '';
    list.append(row);
    return parts;
  });
}

function makeTicker(body) {
  return Array.from({ length: TICKER_ROWS }, () => {
    const row = element('tr');
    const cells = Array.from({ length: 6 }, (_, i) => element('td', i > 3 ? 'number' : ''));
    cells[0].textContent = '\u00a0';
    row.append(...cells);
    body.append(row);
    return { row, cells };
  });
}

const boardRows = Object.fromEntries(Object.keys(BOARDS).map((id) => [id, makeBoard($(id))]));
const tickerRows = makeTicker($('ticker'));

function drawTotal() {
  for (const period of ['today', 'all']) {
    const metrics = shown.total?.[period];
    for (const key of ['gross', 'net', 'refunded']) {
      $(`${period}-${key}`).textContent = metrics ? money(metrics[key]) : '–';
    }
    for (const key of ['orders', 'units']) {
      $(`${period}-${key}`).textContent = metrics ? count(metrics[key]) : '–';
    }
  }
}

function drawBoard(id) {
  const board = shown.boards[id];
  const rows = board?.rows ?? [];
  const most = Math.max(1, ...rows.map((row) => row.gross));
  $(`${id}-of`).textContent = board ? `· ${count(board.of)} in all` : '';
  boardRows[id].forEach((parts, i) => {
    const row = rows[i];
    parts.row.toggleAttribute('data-empty', !row);
    if (!row) return;
    parts.row.style.setProperty('--share', row.gross / most);
    parts.name.textContent = row.name ?? row.id;
    parts.name.title = row.id;
    parts.amount.textContent = money(row.gross);
    parts.orders.textContent =
      `${many(row.orders, 'order', 'orders')}, ${many(row.units, 'unit', 'units')}`;
    parts.refunded.textContent = row.refunded ? `${money(row.refunded)} refunded` : '';
  });
}

function nameOf(board, id) {
  return shown.boards[board]?.rows.find((row) => row.id === id)?.name ?? id;
}

function drawTicker() {
  tickerRows.forEach(({ row, cells }, i) => {
    const order = shown.orders[i];
    row.className = '';
    if (!order) {
      cells.forEach((cell) => { cell.textContent = '\u00a0'; });
      return;
    }
    [clock(order.time), nameOf('hosts', order.host_id), nameOf('products', order.product_id),
      nameOf('counties', order.county), count(order.quantity), money(order.amount),
    ].forEach((text, column) => { cells[column].textContent = text; });
    if (order.fresh) {
      order.fresh = false;
      void row.offsetWidth; // restarts the animation
      row.className = 'new';
    }
  });
}

function drawSpark() {
  const last = Math.max(0, ...shown.minutes.keys());
  const values = Array.from({ length: MINUTES },
    (_, i) => shown.minutes.get(last - (MINUTES - 1 - i) * MINUTE_MS) ?? 0);
  const most = Math.max(...values);
  const y = (value) => (38 - (most ? value / most : 0) * 35).toFixed(2);
  const line = values.map((v, i) => `${i ? 'L' : 'M'}${((i * 120) / (MINUTES - 1)).toFixed(2)} ${y(v)}`)
    .join('');
  $('spark-line').setAttribute('d', line);
  $('spark-area').setAttribute('d', `${line}L120 40L0 40Z`);
  $('spark-peak').textContent = most ? `peak ${money(most)}` : '';
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawTotal();
    Object.keys(BOARDS).forEach(drawBoard);
    drawTicker();
    drawSpark();
  });
}

function setState(state) {
  document.body.dataset.state = state;
  $('state').dataset.state = state;
  if ($('state').textContent !== state) $('state').textContent = state;
}

/* Talking to the server */

let failures = 0;

/* Half of it for certain and half at random, so that pages do not come back all at once. */
function backOff() {
  const longest = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** failures);
  failures += 1;
  return longest / 2 + (Math.random() * longest) / 2;
}

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(`${scheme}//${location.host}/v1/live`, 'livetally.live.v1');
  let retryMs = null;
  let silence = null;
  let over = false;

  function listen() {
    clearTimeout(silence);
    silence = setTimeout(again, SILENCE_MS);
  }

  function again() {
    if (over) return;
    over = true;
    clearTimeout(silence);
    socket.close();
    setState('reconnecting');
    setTimeout(connect, retryMs ?? backOff());
  }

  function subscribe(topics) {
    socket.send(JSON.stringify({ type: 'subscribe', topics, interval_ms: 250 }));
  }

  function take(message) {
    if (message.epoch !== shown.epoch) {
      forget();
      shown.epoch = message.epoch;
    }
    if (message.type === 'snapshot') {
      failures = 0;
      if (message.topics.ticker) shown.orders = [];
      const later = (message.errors ?? []).filter((e) => e.code === 'unavailable');
      if (later.length) {
        setTimeout(() => { if (!over) subscribe(later.map((e) => e.topic)); }, 2000);
      }
    }
    takeTopics(message.topics);
    setState(message.stale ? 'stale' : 'live');
    draw();
  }

  socket.onopen = () => {
    listen();
    if (TOKEN) socket.send(JSON.stringify({ type: 'auth', token: TOKEN }));
  };
  socket.onclose = (event) => {
    const denied = event.code === 4401 || event.code === 4403;
    if (denied) retryMs = RETRY_LAST_MS;
    again();
    if (denied) setState('no access');
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (over) return;
    listen();
    if (message.type === 'hello') subscribe(TOPICS);
    else if (message.type === 'snapshot' || message.type === 'update') take(message);
    else if (message.type === 'goodbye') retryMs = message.retry_after_ms ?? null;
  };
  listen();
}

draw();
connect();
