"""A data set with a year in it, as livetallyd keeps it, written without selling it order by order.

Every day sells the same pattern of orders, which touches 22,000 cells over all rollups. So every
total of all time is a day's times the number of days, the data set is exact (`livetally verify`
agrees), and a year takes a minute to write. Ids of orders are all different; the ledger holds two
generations of them.
"""
import datetime
import random

DAY_MS = 86_400_000
ZONE_MS = 8 * 3_600_000  # business time +08:00
CELLS_PER_DAY = 22_000
HOSTS, PRODUCTS, COUNTIES, PLATFORMS = 600, 3000, 300, ("douyin", "kuaishou", "taobao", "weixin",
                                                        "xiaohongshu")
VERSION = b"1"  # of the one lane: every cell counts up to it, and its checkpoint stands there
KEEP_MS = 400 * DAY_MS
RECORDS_PER_COMMAND = 500
ID_BASE = 6917 * 10**15  # ids are numbers of 19 digits
BUFFER_BYTES = 1 << 20

# name, first dimension, second dimension, kept by day: the rollups of include/livetally/rollup.h
ROLLUPS = (("total", None, None, True), ("host", None, "host", True),
           ("county", None, "county", True), ("product", None, "product", True),
           ("session", None, "session", True), ("platform", None, "platform", True),
           ("session+product", "session", "product", False),
           ("county+product", "county", "product", True), ("county+host", "county", "host", True),
           ("host+product", "host", "product", True),
           ("platform+county", "platform", "county", True))


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    return bytes([len(value)]) + value.encode()


def record_head(sale):
    """An order's ledger record but for its time, which comes last: include/livetally/record.h."""
    return (b"\x17" + text(sale["host"]) + text(sale["product"]) + text(sale["session"]) +
            text(sale["platform"]) + varint(int(sale["county"])) + varint(sale["quantity"]) +
            varint(sale["amount"]))


def command(*parts):
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        part = part if isinstance(part, bytes) else str(part).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(part), part))
    return b"".join(out)


def bulk(part):
    return b"$%d\r\n%s\r\n" % (len(part), part)


def day_number(day_ms):
    """yyyymmdd in business time."""
    moment = datetime.datetime.fromtimestamp((day_ms + ZONE_MS) / 1000, datetime.timezone.utc)
    return moment.strftime("%Y%m%d")


def cells_of(sale):
    """(rollup, first, field) of every cell the sale counts in."""
    for name, first, second, by_day in ROLLUPS:
        yield (name, sale[first] if first else None, sale[second] if second else "total"), by_day


def make_sales(cells_wanted=CELLS_PER_DAY, seed=4):
    """Distinct sales that together touch so many cells of a day, or a few more."""
    chance = random.Random(seed)
    counties = [f"{province}{number:04d}" for province in (33, 35, 36, 42, 43, 51, 52, 53, 34, 45)
                for number in range(2801, 2801 + COUNTIES // 10)]
    sales, cells = [], set()
    while len(cells) < cells_wanted:
        host, product = chance.randrange(HOSTS), chance.randrange(PRODUCTS)
        sale = {"host": f"host-{host:04d}", "session": f"room-{host:04d}",
                "product": f"tea-{product:06d}", "county": counties[product % COUNTIES],
                "platform": PLATFORMS[host % len(PLATFORMS)],
                "quantity": 1 + product % 3, "amount": 1000 + 100 * chance.randrange(200)}
        sales.append(sale)
        cells.update(cell for cell, by_day in cells_of(sale) if by_day)
    return sales


def count(sales, orders):
    """Cells of a day that sells `orders` orders, the sales in turn: cell -> [orders, units, gross]
    """
    cells = {}
    for place, sale in enumerate(sales):
        number = orders // len(sales) + (place < orders % len(sales))
        for cell, by_day in cells_of(sale):
            sums = cells.setdefault((cell, by_day), [0, 0, 0])
            sums[0] += number
            sums[1] += number * sale["quantity"]
            sums[2] += number * sale["amount"]
    return {cell: sums for cell, sums in cells.items() if sums[0]}


def groups(cells, factor, daily):
    """(rollup, first) -> HSET's arguments after the key, and how many of them."""
    hashes = {}
    for ((name, first, field), by_day), (orders, units, gross) in cells.items():
        if daily and not by_day:
            continue
        value = b"%d %d %d 0 0 0 %s" % (orders * factor, units * factor, gross * factor, VERSION)
        hashes.setdefault((name, first), []).append(bulk(field.encode()) + bulk(value))
    return {f"{name}:{first}" if first else name: (b"".join(parts), 2 * len(parts))
            for (name, first), parts in hashes.items()}


class Pipe:
    """Many commands down a socket; replies are short and wait in Redis until the end."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = bytearray()

    def send(self, data):
        self.buffer += data
        if len(self.buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self):
        self.connection.sendall(self.buffer)
        self.buffer.clear()

    def finish(self, mark=b"all written"):
        """Reads until Redis has answered all of it; an error among the answers ends it."""
        self.send(command("ECHO", mark))
        self.flush()
        tail = b""
        while not tail.endswith(bulk(mark)):
            part = self.connection.recv(1 << 20)
            if not part or b"-" in part:
                raise ValueError(f"redis-server answered {part[:300]!r}")
            tail = (tail + part)[-100:]


def write_cells(pipe, prefix, sales, days, orders_per_day, today_ms):
    """All time, and each of the `days` days before today."""
    cells = count(sales, orders_per_day)
    lane = prefix + b"lane:0:"
    for name, (arguments, number) in groups(cells, days, daily=False).items():
        key = lane + b"all:" + name.encode()
        pipe.send(b"*%d\r\n$4\r\nHSET\r\n" % (2 + number) + bulk(key) + arguments)
    daily = groups(cells, 1, daily=True)
    for ago in range(days, 0, -1):
        day_ms = today_ms - ago * DAY_MS
        expires = b"%d" % (day_ms + KEEP_MS)
        day = lane + f"day:{day_number(day_ms)}:".encode()
        for name, (arguments, number) in daily.items():
            key = day + name.encode()
            pipe.send(b"*%d\r\n$4\r\nHSET\r\n" % (2 + number) + bulk(key) + arguments +
                      command("PEXPIREAT", key, expires))


def write_ledger(pipe, prefix, sales, first_day_ms, today_ms, orders_per_day, generation_ms):
    """Orders of the days from the first one to yesterday, as far as the ledger would still hold
    them; how many it then holds."""
    heads = [record_head(sale) for sale in sales]
    oldest_kept = (today_ms // generation_ms - 1) * generation_ms
    step_ms = DAY_MS // orders_per_day
    number = written = 0
    for day_ms in range(first_day_ms, today_ms, DAY_MS):
        chunk, generation = [], None
        for turn in range(orders_per_day):
            time_ms = day_ms + turn * step_ms
            number += 1
            if time_ms < oldest_kept:
                continue
            if len(chunk) == RECORDS_PER_COMMAND or time_ms // generation_ms != generation:
                _send_records(pipe, prefix, generation, chunk)
                chunk, generation = [], time_ms // generation_ms
            one = heads[turn % len(heads)] + varint(time_ms)
            field = b"\x13" + (ID_BASE + number).to_bytes(8, "big")  # see order_field.h
            chunk.append(bulk(field) + bulk(one))
            written += 1
        _send_records(pipe, prefix, generation, chunk)
    return written


def _send_records(pipe, prefix, generation, chunk):
    if chunk:
        key = prefix + b"orders:%d" % generation
        pipe.send(b"*%d\r\n$4\r\nHSET\r\n" % (2 + 2 * len(chunk)) + bulk(key) + b"".join(chunk))
