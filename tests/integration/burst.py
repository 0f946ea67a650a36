"""One tool that posts in one order for as long as a test likes, so that every state any viewer may
ever be shown is known: it is the sum of the first k events, for some k.

    burst = Burst(daemons, redis)
    burst.start()
    …
    burst.stop()
    burst.check_history(topics, messages)   # what a viewer was sent, message by message
    burst.check_everything()                # the end, as every Scene has it
"""
import random
from bisect import bisect_right
from collections import defaultdict

from clients import background, feed, lines, series_buckets
from expected import every_topic
from harness import PATIENCE, now_ms, wait_for
from model import AMOUNT_FIELDS, METRICS, Model
from scene import Scene

HOUR_MS = 3_600_000
TICKER_ORDERS = 20  # PROTOCOL: the newest of an update
BOARD_COLUMNS = ("orders", "units", "gross", "refunded")


class Past:
    """All values that a total has had."""

    def __init__(self):
        self._ks, self._rows = [], []

    def note(self, k, row):
        self._ks.append(k)
        self._rows.append(tuple(row))

    def at(self, k):
        """After the first k events; None when nothing was sold yet."""
        place = bisect_right(self._ks, k)
        return self._rows[place - 1] if place else None


class Burst(Scene):
    """The stream that is posted, generated as it is asked for, and the model that has seen it."""

    def __init__(self, daemons, redis, seed=8, size=10, window=2, hosts=40, sessions=40,
                 products=30, counties=20):
        self.daemons, self.redis = daemons, redis
        self.size, self.window = size, window
        self.hosts = [f"host-{i}" for i in range(hosts)]
        self.sessions = [f"room-{i}" for i in range(sessions)]
        self.products = [f"sku-{i}" for i in range(products)]
        self.counties = [f"4228{i + 21:02}" for i in range(counties)]
        self.now = now_ms()
        self.model = Model()
        self.viewers = []
        self.minute = None
        self.orders = []              # in the order of their events
        self.past = defaultdict(Past)  # (rollup, first, second)
        self.acked = 0                # messages
        self._random = random.Random(seed)
        self._refundable = []
        self._messages = []
        self._events = 0
        self._stopping = False
        self._known = {}              # (topic, k): value_at(), which many viewers are compared with
        self._feeding = None

    @property
    def topics(self):
        return every_topic(self.model)

    # Posting. To feed() we are a list of messages that has always one more.

    def start(self):
        self._feeding = background.submit(feed(self.daemons[0], self, self.window, self._on_ack))

    def _on_ack(self, done):
        self.acked = done

    def __len__(self):
        return len(self._messages) + (not self._stopping)

    def __getitem__(self, number):
        if number == len(self._messages):
            self._messages.append(lines([self._event() for _ in range(self.size)]))
        return self._messages[number]

    def wait_acks(self, count, timeout=60):
        """That many messages more are acked."""
        seen = self.acked
        wait_for(lambda: self.acked >= seen + count, timeout, f"{count} messages to be acked")

    def sold(self, field):
        """Ids that have been sold for sure. Of one that hasn't, a board's group is loaded with the
        first sale, so that the board may be an update later than the totals."""
        counted = self.acked * self.size * 2 // 3  # a good fifth are refunds
        return list(dict.fromkeys(order[field] for order in self.orders[:counted]))

    def stop(self):
        """No event more, and the last one acked. Returns how many events there were."""
        self._stopping = True
        result = self._feeding.result(60 * PATIENCE)
        assert result.rejected == [], result.rejected[:3]
        answered = result.accepted + result.duplicates
        assert answered == self._events, f"{answered} verdicts for {self._events} events"
        return self._events

    def _event(self):
        if self._refundable and self._random.random() < 0.2:
            event = self._refund()
        else:
            event = self._order()
        assert self.model.apply(event, self.now) == "accepted"
        self._events += 1
        self._note(self.model.orders[event["order_id"]])
        return event

    def _order(self):
        pick = self._random.choice
        order = {"type": "order", "order_id": f"b:{len(self.orders):07}",
                 "host_id": pick(self.hosts), "session_id": pick(self.sessions),
                 "product_id": pick(self.products), "county": pick(self.counties),
                 "platform": pick(("douyin", "taobao")), "quantity": self._random.randint(1, 5),
                 "amount": self._random.randint(1, 30_000), "time": self.now}
        self.orders.append(order)
        self._refundable.append(order)
        return order

    def _refund(self):
        order = self._refundable.pop(self._random.randrange(len(self._refundable)))
        return {"type": "refund", "order_id": order["order_id"], "refund_id": "r",
                "amount": self._random.randint(1, order["amount"]), "time": self.now}

    def _note(self, order):
        host, room, product = order["host_id"], order["session_id"], order["product_id"]
        for rollup, first, second in (("total", None, "total"), ("host", None, host),
                                      ("session", None, room), ("product", None, product),
                                      ("host+product", host, product),
                                      ("session+product", room, product)):
            row = self.model.cells[(rollup, "all", None, first)][second]
            self.past[(rollup, first, second)].note(self._events, row)

    # Checking.

    def check_history(self, topics, messages, least=0, ticker=True):
        """All that one connection was sent: one snapshot, then only later states, and everything
        in each of them the sum of the same events. Returns how many those were in the end.

        Only a series may be missing when a new hour has begun, until the group of that is read. The
        end is then where it was last shown."""
        updates = [m for m in messages if m["type"] in ("snapshot", "update")]
        if not updates:
            return least
        kinds, versions = [m["type"] for m in updates], [m["ver"] for m in updates]
        assert kinds == ["snapshot"] + ["update"] * (len(updates) - 1), kinds
        assert set(updates[0]["topics"]) == set(topics), updates[0].get("errors")
        assert versions == sorted(versions), versions
        values, k, whole, hours = {}, least, least, {}
        for message in updates:
            before, k = k, self._merge(values, message)
            assert k >= before, f"went back from the first {before} events to the first {k}"
            hour = message["time"] // HOUR_MS
            hours.update(dict.fromkeys(message["topics"], hour))
            late = {t for t in topics if t.startswith("series/") and hours[t] < hour}
            whole = whole if late else k
            for topic in topics:
                if topic in late:
                    continue
                if topic.startswith("ticker"):
                    new = message["topics"].get(topic, {"orders": [], "lost": 0})
                    first = None if message["type"] == "snapshot" else before
                    assert not ticker or new == self.ticker_at(first, k), (topic, before, k)
                else:
                    want = self._known.get((topic, k)) or self._known.setdefault(
                        (topic, k), self.value_at(topic, k))
                    assert values[topic] == want, (topic, values[topic], want, before, k, message)
        return whole

    def _merge(self, values, message):
        """Takes what is compared out of a message. Returns how many events it shows."""
        for topic, payload in message["topics"].items():
            if topic.startswith("series/"):
                values.setdefault(topic, {}).update(series_buckets(payload))
            elif topic.startswith("top/"):
                values[topic] = (payload["of"], [(r["id"], *(r[c] for c in BOARD_COLUMNS))
                                                 for r in payload["rows"]])
            elif not topic.startswith("ticker"):
                values[topic] = tuple(payload["all"][m] for m in METRICS)
        totals = dict(zip(METRICS, values["total"]))
        return totals["orders"] + totals["refunds"]

    def value_at(self, topic, k):
        """What _merge() finds in `topic` after the first k events."""
        name, _, query = topic.partition("?")
        kind, _, ident = name.partition("/")
        zeros = (0,) * len(METRICS)
        if kind == "top":
            first = query.partition("&")[0].partition("=")[2]
            return self._board_at("session" if "session=" in query else "host", first, k)
        if kind == "series":
            row = dict(zip(METRICS, self.past[("total", None, "total")].at(k) or zeros))
            amounts = tuple(row[f] for f in AMOUNT_FIELDS)
            return {self.now // 60_000 * 60_000: amounts} if any(amounts) else {}
        return self.past[(kind, None, ident or "total")].at(k) or zeros

    def _board_at(self, scope, first, k):
        rows = []
        for product in self.products:
            row = self.past[(f"{scope}+product", first, product)].at(k)
            if row:
                cell = dict(zip(METRICS, row))
                rows.append((product, *(cell[c] for c in BOARD_COLUMNS)))
        rows.sort(key=lambda row: (-row[3], row[0]))
        return len(rows), rows

    def ticker_at(self, before, k):
        """The increment from the first `before` events (None: a snapshot) to the first k."""
        to = self._orders_at(k)
        since = 0 if before is None else self._orders_at(before)
        shown = self.orders[max(since, to - TICKER_ORDERS):to]
        fields = ("time", "host_id", "county", "product_id", "quantity", "amount")
        return {"orders": [{f: order[f] for f in fields} for order in shown],
                "lost": 0 if before is None else to - since - len(shown)}

    def _orders_at(self, k):
        return (self.past[("total", None, "total")].at(k) or (0,))[METRICS.index("orders")]
