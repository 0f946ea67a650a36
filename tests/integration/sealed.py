"""Sealed days, read anew by what sealed_day.h says of their form: a slow, obvious second opinion."""
import re

SEALED_KEY = re.compile(r"lt:\{0\}:(lane:\d+):sealed:(\d{8})")


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        return self.take(self.byte()).decode()


def page_cells(data):
    """The cells of a page: (day, group after the day, field, metrics, version) of each."""
    page = Bytes(data)
    assert page.byte() == 1
    day, rollup = page.varint(), page.text()
    for _ in range(page.varint()):
        first, version, count, size = page.text(), page.varint(), page.varint(), page.varint()
        end, field = page.at + size, b""
        for _ in range(count):
            head = page.byte()
            shared = head >> 4 if head >> 4 < 15 else 15 + page.varint()
            length = head & 15 if head & 15 < 15 else 15 + page.varint()
            field = field[:shared] + page.take(length)
            mask = page.byte()
            values = tuple(page.varint() if mask >> i & 1 else 0 for i in range(6))
            yield str(day), f"{rollup}:{first}" if first else rollup, field.decode(), values, version
        assert page.at == end
    assert page.at == len(data) - 8, "then there is only the check"


def raw_client(client):
    """The same Redis, with bytes for answers."""
    options = dict(client.connection_pool.connection_kwargs, decode_responses=False)
    pool = type(client.connection_pool)(client.connection_pool.connection_class, **options)
    return type(client)(connection_pool=pool)


def sealed_keys(client):
    return sorted(key for key in client.scan_iter("lt:{0}:lane:*:sealed:*", count=5000))


def sealed_cells(client):
    """{(lane, "day:…"): {field: (version, metrics)}}, the newest of each cell."""
    cells, raw = {}, raw_client(client)
    for key in sealed_keys(client):
        lane, day = SEALED_KEY.fullmatch(key).groups()
        for name, page in raw.hgetall(key).items():
            for of_day, group, field, values, version in page_cells(page):
                assert of_day == day and group.split(":")[0] == name.decode().split(":")[0]
                group_cells = cells.setdefault((lane, f"day:{day}:{group}"), {})
                group_cells[field] = max(group_cells.get(field, (0,)), (version, values))
    raw.close()
    return cells
