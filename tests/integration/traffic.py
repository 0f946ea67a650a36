"""Believable traffic from a seed: orders with few popular and many rare ids, refunds, retries.

All that is generated is valid, and no refund depends on which of two others came first: so the
totals that must result don't depend on how the connections interleave.
"""
import random

from clients import lines

PROVINCES = ("42", "53", "61", "11", "33", "65")
HOUR = 3600_000


class Traffic:
    """catalog: to be acked before the rest. streams: one list of events per connection. distinct:
    what the model has to hear of, in an order that does."""

    def __init__(self, seed, events, now, connections=8, duplicates=0.03, refunds=0.20,
                 prefix="o", hosts=40, sessions=30, products=300, counties=150):
        self.random = random.Random(seed)
        self.now = now
        self.prefix = prefix
        self.hosts = [f"host-{i}" for i in range(hosts)]
        self.sessions = [f"room-{i}" for i in range(sessions)]
        self.products = [f"sku-{i}" for i in range(products)]
        self.counties = [f"{PROVINCES[i % 6]}{i // 12 % 9 + 1:02}{i % 40 + 21:02}"
                         for i in range(counties)]
        self.counties = list(dict.fromkeys(self.counties))
        self.platforms = ["douyin", "kuaishou", "taobao", "wechat"]
        self.session_host = {s: self.hosts[i % hosts] for i, s in enumerate(self.sessions)}
        self.catalog = self._catalog()
        self.streams = [[] for _ in range(connections)]
        self.distinct = list(self.catalog)
        self._shares = refunds, duplicates
        self._orders = 0
        self._change = None  # set by plain()
        self._generate(events, range(connections))

    def _catalog(self):
        catalog = [{"type": "host", "host_id": h, "name": f"主播 {h}", "time": self.now}
                   for h in self.hosts[::2]]
        catalog += [{"type": "session", "session_id": s, "host_id": self.session_host[s],
                     "title": f"Live {s}", "platform": self.platforms[i % 3], "time": self.now,
                     "starts_at": self.now - 3 * HOUR, "goal": 10_000_000}
                    for i, s in enumerate(self.sessions)]
        catalog += [{"type": "product", "product_id": p, "name": f"Tea {p}", "unit": "box",
                     "county": self._pick(self.counties), "time": self.now}
                    for p in self.products[::3]]
        self.known_products = set(self.products[::3])
        return catalog

    def _pick(self, items):
        """Zipf-like: the first ones far more often than the last."""
        return items[int(len(items) * self.random.random() ** 3)]

    def more(self, stream, events=160):
        """As much more for one stream. Returns what is new to the model."""
        known = len(self.distinct)
        self._generate(events, [stream])
        return self.distinct[known:]

    def plain(self, change=lambda event: None):
        """Retries that leave something out are dropped, and each order is changed, of what there
        is and of all that is still to come."""
        known = set(map(id, self.distinct))
        for stream in self.streams:
            stream[:] = [event for event in stream if id(event) in known]
        for event in self.distinct:
            change(event)
        self._change = change

    def _generate(self, events, streams):
        refunds, duplicates = (int(events * share) for share in self._shares)
        made = []  # (place in time, stream, event)
        for _ in range(events - refunds - duplicates):
            made.append((self.random.random(), self.random.choice(streams), self._order()))
        # At most three refunds an order, of a third of it at most: any of them fit in any order.
        refundable = [m for m in made if m[2]["amount"] >= 3] * 3
        for number, (place, stream, order) in enumerate(self.random.sample(refundable, refunds)):
            made.append(self._refund(number, place, stream, streams, order))
        self.distinct += [event for _, _, event in made]
        made += [self._retry(streams, *m) for m in self.random.choices(made, k=duplicates)]
        made.sort(key=lambda m: m[0])
        for _, stream, event in made:
            self.streams[stream].append(event)

    def _order(self):
        r = self.random
        order = {"type": "order", "order_id": f"{self.prefix}:{self._orders:08}",
                 "product_id": self._pick(self.products), "quantity": r.randint(1, 5),
                 "amount": r.randint(0, 30_000), "time": self._time()}
        if r.random() < 0.7:
            order["session_id"] = self._pick(self.sessions)
            if r.random() < 0.3:
                order["host_id"] = self.session_host[order["session_id"]]
        else:
            order["host_id"] = self._pick(self.hosts)
        if order["product_id"] not in self.known_products or r.random() < 0.2:
            order["county"] = self._pick(self.counties)
        if r.random() < 0.3:
            order["platform"] = r.choice(self.platforms)
        if self._change:
            self._change(order)
        self._orders += 1
        return order

    def _time(self):
        """Mostly the last two hours, some up to a day and a half ago, few up to three weeks."""
        choice = self.random.random()
        if choice < 0.85:
            return self.now - self.random.randrange(2 * HOUR)
        if choice < 0.96:
            return self.now - self.random.randrange(36 * HOUR)
        return self.now - self.random.randrange(72 * HOUR, 20 * 24 * HOUR)

    def _refund(self, number, place, stream, streams, order):
        """One in five comes before its order, and half of them on any connection."""
        r = self.random
        refund = {"type": "refund", "order_id": order["order_id"], "refund_id": f"r{number}",
                  "amount": r.randint(1, order["amount"] // 3),
                  "time": min(self.now, order["time"] + r.randrange(HOUR))}
        if r.random() < 0.5:
            refund["quantity"] = r.randint(0, order["quantity"] // 3)
        place = r.uniform(0, place) if r.random() < 0.2 else r.uniform(place, 1)
        return place, stream if r.random() < 0.5 else r.choice(streams), refund

    def _retry(self, streams, place, stream, event):
        """The same again on any connection; or, after it on its own, with fewer fields."""
        r = self.random
        if self._change or r.random() < 0.5:
            return r.random(), r.choice(streams), event
        fewer = {k: v for k, v in event.items() if k not in ("platform", "county", "time")}
        if "host_id" in fewer:
            fewer.pop("session_id", None)
        return r.uniform(place, 1), stream, fewer

    def messages(self, size=64):
        """The streams as messages of `size` lines."""
        return [[lines(s[i:i + size]) for i in range(0, len(s), size)] for s in self.streams]
