/* A clock that is moved by hand, and sockets whose other end is the test. */

export class FakeClock {
  constructor(nowMs = 1_800_000_000_000) {
    this.nowMs = nowMs;
    this.timers = [];
    this.now = () => this.nowMs;
    this.setTimeout = (run, ms) => {
      const timer = { dueMs: this.nowMs + ms, run };
      this.timers.push(timer);
      return timer;
    };
    this.clearTimeout = (timer) => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /* Runs what is due on the way, in order, and the microtasks that follow each. */
  async advance(ms) {
    const endMs = this.nowMs + ms;
    for (;;) {
      await settle();
      const next = this.timers.reduce(
        (first, timer) => (!first || timer.dueMs < first.dueMs ? timer : first), null,
      );
      if (!next || next.dueMs > endMs) break;
      this.clearTimeout(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.run();
    }
    this.nowMs = endMs;
    await settle();
  }

  /* As if the machine had slept: time passes, and timers run late. */
  async sleep(ms) {
    this.nowMs += ms;
    await this.advance(0);
  }

  /* When the only timer of that kind is due, from now. */
  get nextMs() {
    return Math.min(...this.timers.map((timer) => timer.dueMs)) - this.nowMs;
  }
}

export const settle = () => new Promise((resolve) => { setImmediate(resolve); });

export function fakeSockets() {
  const sockets = [];
  class FakeSocket {
    constructor(url, protocol) {
      Object.assign(this, { url, protocol, sent: [], closed: false, opened: false });
      sockets.push(this);
    }

    send(text) { this.sent.push(JSON.parse(text)); }

    close() { this.closed = true; }

    open() {
      this.opened = true;
      this.onopen({});
    }

    say(message) { this.sayText(JSON.stringify(message)); }

    sayText(text) { this.onmessage({ data: text }); }

    end(code) { this.onclose({ code }); }
  }
  FakeSocket.all = sockets;
  Object.defineProperty(FakeSocket, 'last', { get: () => sockets[sockets.length - 1] });
  return FakeSocket;
}

export class FakeTarget {
  constructor() { this.handlers = new Map(); }

  addEventListener(event, handler) { this.handlers.set(event, handler); }

  removeEventListener(event) { this.handlers.delete(event); }

  fire(event) { this.handlers.get(event)?.({}); }
}
