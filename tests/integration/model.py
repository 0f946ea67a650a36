"""The slow, obvious model of what livetally counts.

Feed it well-formed events in the order in which they are acked; it says what becomes of each
(apply) and what every total then is (cells, payload). Everything is a plain dict.
"""
from collections import defaultdict
from datetime import datetime, timedelta, timezone

METRICS = ("orders", "units", "gross", "refunds", "refunded", "returned")
AMOUNT_FIELDS = ("orders", "gross", "refunded")
MAX_REFUNDS = 64
MINUTE_KEEP_MS = 48 * 3600_000

# key text: first dimension, second dimension, periods kept
ROLLUPS = {
    "total": (None, None, "all day minute"),
    "host": (None, "host", "all day minute"),
    "county": (None, "county", "all day minute"),
    "product": (None, "product", "all day"),
    "session": (None, "session", "all day minute"),
    "platform": (None, "platform", "all day"),
    "session+product": ("session", "product", "all"),
    "county+product": ("county", "product", "all day"),
    "county+host": ("county", "host", "all day"),
    "host+product": ("host", "product", "all day"),
    "platform+county": ("platform", "county", "all day"),
}

ORDER_FIELDS = ("host_id", "session_id", "product_id", "county", "platform", "quantity", "amount",
                "time")
CATALOG_FIELDS = {
    "session": ("host_id", "title", "platform", "starts_at", "ends_at", "goal"),
    "product": ("name", "county", "unit"),
    "host": ("name",),
}
FIXED_FIELD = {"session": "host_id", "product": "county", "host": None}


class Model:
    def __init__(self, offset_minutes=480):
        self.zone = timezone(timedelta(minutes=offset_minutes))
        self.orders = {}   # order id: its record
        self.refunds = defaultdict(dict)  # order id: {refund id: record}, in order of arrival
        self.catalog = {"session": {}, "product": {}, "host": {}}
        # (rollup, period, when, first): {second: [metrics]}
        self.cells = defaultdict(lambda: defaultdict(lambda: [0] * len(METRICS)))

    # What becomes of an event: "accepted", "duplicate", "parked", or the code of a rejection.

    def apply(self, event, now):
        kind = event["type"]
        if kind == "order":
            return self._order(event, now)
        if kind == "refund":
            return self._refund(event, now)
        return self._register(kind, event, now)

    def apply_all(self, events, now):
        for event in events:
            self.apply(event, now)

    def _order(self, event, now):
        known = self.orders.get(event["order_id"])
        if known:
            same = all(event[f] == known[f] for f in ORDER_FIELDS if f in event)
            return "duplicate" if same else "conflict"
        record = {f: event.get(f) for f in ORDER_FIELDS}
        record["time"] = event.get("time", now)
        session = self.catalog["session"].get(record["session_id"])
        if session and session.get("host_id"):
            if record["host_id"] not in (None, session["host_id"]):
                return "session_host_mismatch"
            record["host_id"] = session["host_id"]
        if record["host_id"] is None:
            return "unknown_session" if record["session_id"] else "missing_field"
        if record["county"] is None:
            record["county"] = self.catalog["product"].get(record["product_id"], {}).get("county")
            if record["county"] is None:
                return "unknown_product"
        if record["platform"] is None and session:
            record["platform"] = session.get("platform")
        self.orders[event["order_id"]] = record
        self._count(record, record["time"], now,
                    orders=1, units=record["quantity"], gross=record["amount"])
        waiting = self.refunds.pop(event["order_id"], {})
        for refund_id, refund in waiting.items():
            if refund["host_id"] in (None, record["host_id"]):
                refund["state"] = self._settle(event["order_id"], record, refund, now)
                self.refunds[event["order_id"]][refund_id] = refund
        return "accepted"

    def _refund(self, event, now):
        order = self.orders.get(event["order_id"])
        known = self.refunds[event["order_id"]].get(event["refund_id"])
        if known:
            host = order["host_id"] if order else known["host_id"]
            same = all(event[f] == known[f] for f in ("amount", "quantity", "time") if f in event)
            if not same or host and event.get("host_id", host) != host:
                return "conflict"
            return "refund_exceeds_order" if known["state"] == "void" else "duplicate"
        if order and event.get("host_id", order["host_id"]) != order["host_id"]:
            return "conflict"
        if len(self.refunds[event["order_id"]]) >= MAX_REFUNDS:
            return "too_many_refunds"
        refund = {"amount": event["amount"], "quantity": event.get("quantity", 0),
                  "time": event.get("time", now), "state": "parked",
                  "host_id": event.get("host_id")}
        if order:
            refund["state"] = self._settle(event["order_id"], order, refund, now)
            if refund["state"] == "void":
                return "refund_exceeds_order"
        self.refunds[event["order_id"]][event["refund_id"]] = refund
        return "accepted" if order else "parked"

    def _settle(self, order_id, order, refund, now):
        applied = [r for r in self.refunds[order_id].values() if r["state"] == "applied"]
        if (sum(r["amount"] for r in applied) + refund["amount"] > order["amount"]
                or sum(r["quantity"] for r in applied) + refund["quantity"] > order["quantity"]):
            return "void"
        self._count(order, refund["time"], now,
                    refunds=1, refunded=refund["amount"], returned=refund["quantity"])
        return "applied"

    def _register(self, kind, event, now):
        entry = self.catalog[kind].get(event[f"{kind}_id"], {})
        stated = {f: event[f] for f in CATALOG_FIELDS[kind] if f in event}
        time = event.get("time", now)
        fixed = FIXED_FIELD[kind]
        if fixed in stated and entry.get(fixed, stated[fixed]) != stated[fixed]:
            return "conflict"
        newer = event.get("time", 0) > entry.get("time", 0)
        same = {**entry, **stated} == entry and not newer
        if entry and (time < entry["time"] or same):
            return "duplicate"
        self.catalog[kind][event[f"{kind}_id"]] = {**entry, **stated, "time": time}
        return "accepted"

    # Counting.

    def day(self, time):
        return datetime.fromtimestamp(time / 1000, self.zone).strftime("%Y%m%d")

    def _count(self, order, time, now, **deltas):
        when = datetime.fromtimestamp(time // 1000, self.zone)
        day, hour, minute = when.strftime("%Y%m%d"), when.strftime("%Y%m%d%H"), str(when.minute)
        ids = {"host": order["host_id"], "county": order["county"],
               "product": order["product_id"], "session": order["session_id"],
               "platform": order["platform"], None: "total"}
        for rollup, (first, second, periods) in ROLLUPS.items():
            if ids[second] is None or (first and ids[first] is None):
                continue
            head = ids[first] if first else None
            self._add((rollup, "all", None, head), ids[second], deltas)
            if "day" in periods:
                self._add((rollup, "day", day, head), ids[second], deltas)
            if "minute" in periods and time > now - MINUTE_KEEP_MS:
                of = ids[second] if second else None
                self._add((rollup, "minute", hour, of), minute, deltas)

    def _add(self, group, cell, deltas):
        row = self.cells[group][cell]
        for name, delta in deltas.items():
            row[METRICS.index(name)] += delta

    # Reading. cell(): a dict of metrics, zeros if nothing was sold.

    def cell(self, group, cell):
        row = self.cells[group].get(cell) if group in self.cells else None
        return dict(zip(METRICS, row or [0] * len(METRICS)))

    def ids(self, dimension):
        return sorted(self.cells.get((dimension, "all", None, None), {}))

    def redis_hashes(self):
        """{what follows lane:<n>: in a key: {field: metrics}}"""
        hashes = {}
        for (rollup, period, when, first), cells in self.cells.items():
            parts = [period, when, rollup, first]
            hashes[":".join(p for p in parts if p)] = {c: tuple(row) for c, row in cells.items()}
        return hashes
