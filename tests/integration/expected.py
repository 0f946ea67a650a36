"""What the live side must show for a topic, computed from the model.

payload(model, topic, now) is the whole payload of a scope or board, and {minute: (orders, gross,
refunded)} of a series. Names stand only where they were registered.
"""
from datetime import datetime
from urllib.parse import parse_qsl

from model import AMOUNT_FIELDS, METRICS

BOARDS = {"hosts": "host", "counties": "county", "products": "product", "sessions": "session",
          "platforms": "platform", "provinces": "county"}
SESSION_FIELDS = ("host_id", "title", "starts_at", "ends_at", "goal")
MINUTE = 60_000


def with_net(metrics):
    return {**metrics, "net": metrics["gross"] - metrics["refunded"]}


def total_of(rows):
    sums = [sum(column) for column in zip(*rows)] or [0] * len(METRICS)
    return dict(zip(METRICS, sums))


def payload(model, topic, now):
    name, _, query = topic.partition("?")
    options = dict(parse_qsl(query))
    kind, _, ident = name.partition("/")
    if kind == "top":
        return board(model, ident, options, now)
    if kind == "series":
        return series(model, ident, int(options.get("minutes", 120)), now)
    return scope(model, kind, ident, now)


def period_group(model, rollup, period, now, first=None):
    return (rollup, period, model.day(now) if period == "day" else None, first)


def scope(model, kind, ident, now):
    if kind == "session":
        entry = model.catalog["session"].get(ident, {})
        result = {f: entry[f] for f in SESSION_FIELDS if f in entry}
        result["all"] = with_net(model.cell(("session", "all", None, None), ident))
        return result
    result = {}
    for wire, period in (("today", "day"), ("all", "all")):
        if kind in ("province", "prefecture"):
            cells = model.cells.get(period_group(model, "county", period, now), {})
            metrics = total_of(row for code, row in cells.items() if code.startswith(ident))
        else:
            group = period_group(model, kind, period, now)
            metrics = model.cell(group, ident or "total")
        result[wire] = with_net(metrics)
    name = model.catalog.get(kind, {}).get(ident, {}).get("name")
    if name:
        result["name"] = name
    return result


def board_cells(model, board_name, options, now):
    """{id: metrics row} of all that a board ranks, and the period."""
    default = "all" if board_name == "sessions" or "session" in options else "today"
    period = "day" if options.get("period", default) == "today" else "all"
    rollup, first = BOARDS[board_name], None
    for option, rollup_name in (("session", "session+product"), ("host", "host+product"),
                                ("platform", "platform+county")):
        if option in options:
            rollup, first = rollup_name, options[option]
    if "county" in options:
        rollup = "county+product" if board_name == "products" else "county+host"
        first = options["county"]
    keep = options.get("province", "")
    cells = model.cells.get(period_group(model, rollup, period, now, first), {})
    if board_name == "provinces":
        rows = {}
        for code, row in cells.items():
            sums = rows.setdefault(code[:2], [0] * len(METRICS))
            rows[code[:2]] = [a + b for a, b in zip(sums, row)]
        return rows, period
    return {code: row for code, row in cells.items() if code.startswith(keep)}, period


def board(model, board_name, options, now):
    by = options.get("by", "gross")
    cells, period = board_cells(model, board_name, options, now)
    rows = []
    for ident, values in cells.items():
        metrics = with_net(dict(zip(METRICS, values)))
        row = {"id": ident, **{f: metrics[f] for f in
                               ("orders", "units", "gross", "refunded", "net")}}
        name = board_row_name(model, board_name, ident)
        if name:
            row["name"] = name
        rows.append(row)
    rows.sort(key=lambda row: (-row[by], row["id"]))
    return {"by": by, "period": "today" if period == "day" else "all", "of": len(rows),
            "rows": rows[:int(options.get("n", 10))]}


def board_row_name(model, board_name, ident):
    kind = BOARDS[board_name]
    entry = model.catalog.get(kind, {}).get(ident, {})
    return entry.get("title" if kind == "session" else "name")


def series(model, ident, minutes, now):
    rollup, _, of = ident.partition("/")
    newest = now // MINUTE * MINUTE
    buckets = {}
    for (name, period, hour, first), cells in model.cells.items():
        if name != rollup or period != "minute" or first != (of or None):
            continue
        for minute, row in cells.items():
            start = hour_start(model, hour) + int(minute) * MINUTE
            if newest - minutes * MINUTE < start <= newest:
                metrics = dict(zip(METRICS, row))
                buckets[start] = tuple(metrics[f] for f in AMOUNT_FIELDS)
    return buckets


def hour_start(model, hour):
    when = datetime.strptime(hour, "%Y%m%d%H").replace(tzinfo=model.zone)
    return int(when.timestamp()) * 1000


def every_topic(model, sessions=(), per_kind=25):
    """Topics of every kind: all boards with all options, and the best `per_kind` ids of each."""
    topics = ["total", "series/total?minutes=1440"]
    picked = {}
    for kind in ("host", "county", "product", "session", "platform"):
        cells = model.cells.get((kind, "all", None, None), {})
        picked[kind] = sorted(cells, key=lambda i: (-cells[i][2], i))[:per_kind]
        topics += [f"{kind}/{i}" for i in picked[kind]]
        if kind in ("host", "county", "session"):
            topics += [f"series/{kind}/{i}?minutes=600" for i in picked[kind][:8]]
    topics += sorted({f"prefecture/{c[:4]}" for c in picked["county"]})
    topics += sorted({f"province/{c[:2]}" for c in picked["county"]})
    topics += ["host/nobody", "product/none", "county/110101", "session/none"]
    filters = [f"products?session={i}" for i in picked["session"][:4]]
    filters += [f"products?county={i}" for i in picked["county"][:4]]
    filters += [f"products?host={i}" for i in picked["host"][:4]]
    filters += [f"hosts?county={i}" for i in picked["county"][:4]]
    filters += [f"counties?platform={i}" for i in picked["platform"]]
    filters += [f"counties?province={i[:2]}" for i in picked["county"][:2]]
    for head in list(BOARDS) + filters:
        join = "&" if "?" in head else "?"
        topics.append(f"top/{head}")
        for by in ("net", "orders", "units"):
            topics.append(f"top/{head}{join}by={by}")
        if "session=" in head:
            continue
        other = "today" if head == "sessions" else "all"
        topics += [f"top/{head}{join}period={other}", f"top/{head}{join}by=net&period={other}&n=100"]
    return list(dict.fromkeys(topics))
