"""What a hostile peer may send, made from a random generator: each maker returns an Attempt.

Whatever carries a whole order carries one that must never count: it stands where no server may look
for a request or a message. So totals tell whether anything got in."""
import json
import struct
import zlib
from dataclasses import dataclass

from wire import CLOSE, CONTINUATION, PING, PONG, TEXT, handshake

BINARY = 2
HOST = b"Host: localhost\r\n"
LONG = 200_000  # bytes of what is too long

# How the peer ends when it has said all: reads to the end, closes its half and reads, closes,
# resets, or stays without a word until it is dropped.
READ, HALF, CLOSE_NOW, RESET = "read", "half", "close", "reset"
ENDS = (READ, HALF, CLOSE_NOW, RESET)


@dataclass
class Attempt:
    kind: str
    pieces: list                # bytes, sent one after the other
    socket: str = None          # "ingest" or "live": after a good handshake for it
    end: str = READ
    expect: str = None          # "refused": no 1xx or 2xx; "1002", "1007": that close code
    slow: bool = False          # it pauses after each piece

    def __str__(self):
        data = b"".join(self.pieces)
        shown = data[:2000].hex() + (f"… ({len(data)} bytes)" if len(data) > 2000 else "")
        return (f"{self.kind} socket={self.socket} end={self.end} slow={self.slow} "
                f"expect={self.expect}\n    {shown}")


MAKERS = []


def maker(weight=1):
    def add(function):
        MAKERS.extend([function] * weight)
        return function
    return add


def any_attempt(random):
    make = random.choice(MAKERS)
    attempt = make(random)
    attempt.kind = make.__name__
    return attempt


def stolen_order(random):
    """An order that counts if anybody finds it."""
    return json.dumps({"type": "order", "order_id": f"stolen{random.getrandbits(64)}",
                       "host_id": "stolen", "product_id": "p", "county": "422828", "quantity": 1,
                       "amount": 1}).encode()


def post(body, extra=b"", length=None):
    length = len(body) if length is None else length
    return (b"POST /v1/events HTTP/1.1\r\n" + HOST + extra + b"Content-Length: %d\r\n\r\n" % length
            + body)


def some_bytes(random, most=40, of=None):
    count = random.randint(1, most)
    return bytes(random.choices(of, k=count)) if of else random.randbytes(count)


def mutated(random, data, changes=3):
    data = bytearray(data)
    for _ in range(random.randint(1, changes)):
        at = random.randrange(len(data) + 1)
        what = random.randrange(4)
        if what == 0 and at < len(data):
            data[at] = random.choice((random.randrange(256), data[at] ^ 1 << random.randrange(8)))
        elif what == 1:
            data[at:at] = some_bytes(random, 8)
        elif what == 2:
            del data[at:at + random.randint(1, 8)]
        else:
            data[at:at] = data[max(0, at - random.randint(1, 30)):at]
    return bytes(data)


def cut(random, data):
    """In pieces, seldom many."""
    count = random.choice((1, 1, 1, 2, 3, 10))
    marks = sorted(random.randrange(len(data) + 1) for _ in range(count - 1))
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)])]


# --- heads of requests ----------------------------------------------------------------------------

@maker()
def truncated_handshake(random):
    shake = handshake(random.choice(("ingest", "live")))
    return Attempt("", cut(random, shake[:random.randrange(len(shake))]), end=random.choice(ENDS))


@maker(3)
def mutated_handshake(random):
    shake = handshake(random.choice(("ingest", "live")))
    return Attempt("", cut(random, mutated(random, shake)), end=random.choice(ENDS))


@maker()
def flood_of_headers(random):
    count = random.choice((101, 500, 5000))
    name = random.choice((b"X-%d", b"Cookie", b"Host", b"Content-Length"))
    lines = b"".join((name % n if b"%" in name else name) + b": 1\r\n" for n in range(count))
    return Attempt("", [b"GET /healthz HTTP/1.1\r\n" + HOST + lines + b"\r\n"], expect="refused")


@maker()
def head_that_is_too_long(random):
    size = random.choice((8193, 16384, LONG))
    where = random.randrange(4)
    pad = b"x" * size
    head = (b"GET /" + pad + b" HTTP/1.1\r\n" + HOST if where == 0 else
            b"GET / HTTP/1.1\r\n" + HOST + pad + b": 1\r\n" if where == 1 else
            b"GET / HTTP/1.1\r\n" + HOST + b"X: " + pad + b"\r\n" if where == 2 else
            pad)
    return Attempt("", [head + random.choice((b"", b"\r\n"))], expect="refused",
                   end=random.choice((READ, HALF)))


@maker()
def header_of_any_bytes(random):
    name, value = some_bytes(random, 20), some_bytes(random, 60)
    line = random.choice((name + b": 1", b"X: " + value, name + b":" + value))
    return Attempt("", [b"GET /healthz HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n"],
                   end=random.choice(ENDS))


@maker()
def forbidden_byte_in_header(random):
    bad = bytes([random.choice([*range(0, 9), 11, 12, *range(14, 32), 127])])
    line = random.choice((b"X: a" + bad + b"b", b"X" + bad + b"Y: a", b"X : a", b" X: a", b"X"))
    return Attempt("", [b"GET /healthz HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n"],
                   expect="refused")


@maker(2)
def duplicate_or_conflicting_headers(random):
    shake = handshake("live").removesuffix(b"\r\n")
    line = random.choice((
        b"Host: other", b"Upgrade: h2c", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"Sec-WebSocket-Version: 8", b"Sec-WebSocket-Version: 13", b"Upgrade: websocket"))
    return Attempt("", [shake + line + b"\r\n\r\n"], expect="refused")


@maker()
def wrong_version(random):
    version = random.choice((b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3", b"HTTP/1.1x",
                             b"http/1.1", b"HTTP/11", b"HTTP/-1.1", b"HTTP/1.\xb1", b"", b"HTCPCP/1.0",
                             b"HTTP/9999999999.1", b"RTSP/1.0"))
    return Attempt("", [b"GET /healthz " + version + b"\r\n" + HOST + b"\r\n"], expect="refused",
                   end=random.choice((READ, HALF)))


@maker()
def absurd_method(random):
    method = random.choice((b"", b"get", b"BREW", b"CONNECT", b"TRACE", b"GETGET", b"G\0T", b"\xff",
                            b"PRI", b"M" * 5000, b"GET\t/", b"PROPFIND", some_bytes(random, 10)))
    return Attempt("", [method + b" /v1/totals?topic=total HTTP/1.1\r\n" + HOST + b"\r\n"],
                   expect="refused")


@maker(2)
def absurd_target(random):
    parts = (b"..", b"%2e%2e", b"/", b"//", b"\\", b"%5c", b"%2f", b"etc", b"passwd", b"%", b"%z",
             b"%00", b"%c0%af", b"%u002e", b";", b"?", b"&", b"=", b"#", b"\xff", b"~", b"v1",
             b"totals", b"topic", b"%0d%0a", b"*", b"@", b":", b"overlay", b".", b" ", b"%25")
    target = b"".join(random.choices(parts, k=random.randint(1, 12)))
    start = random.choice((b"/", b"", b"/v1/totals?topic=", b"http://localhost/", b"//",
                           b"/overlay/"))
    return Attempt("", [b"GET " + start + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
                   end=random.choice(ENDS))


@maker()
def bad_percent_encoding(random):
    bad = random.choice((b"%", b"%z", b"%zz", b"%4", b"%4g", b"%%41", b"%00", b"%-1"))
    path = random.choice((b"/v1/totals?topic=", b"/v1/live", b"/", b"/v1/totals?topic=a&topic="))
    return Attempt("", [b"GET " + path + bad + b" HTTP/1.1\r\n" + HOST + b"\r\n"], expect="refused")


@maker(4)
def smuggled_request(random):
    """A request within what isn't one, told by lengths that programs read in different ways."""
    inner = post(stolen_order(random))
    chunk = b"%x\r\n" % len(inner) + inner + b"\r\n0\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    start = b"POST /healthz HTTP/1.1\r\n" + HOST
    shapes = (
        start + b"Content-Length: 4\r\n" + chunked + b"\r\n0\r\n\r\n" + inner,
        start + chunked + b"Content-Length: 4\r\n\r\n" + chunk,
        start + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner,
        start + b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(inner) + inner,
        start + b"Content-Length: %d, 0\r\n\r\n" % len(inner) + inner,
        start + b"Content-Length: +0\r\n\r\n" + inner, start + b"Content-Length: -1\r\n\r\n" + inner,
        start + b"Content-Length: 0x0\r\n\r\n" + inner,
        start + b"Content-Length: %d\r\n\r\n" % (1 << 64) + inner,
        start + b"Content-Length : 0\r\n\r\n" + inner,
        start + b"Content-Length:\r\n 0\r\n\r\n" + inner,
        start + b"X: a\r\n Content-Length: 0\r\n\r\n" + inner,
        start + b"Transfer-Encoding : chunked\r\n\r\n" + chunk,
        start + b"Transfer-Encoding: xchunked\r\n\r\n" + chunk,
        start + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + chunk,
        start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk,
        start + chunked + b"\r\n" + chunk, start + chunked + b"\r\n0\r\n\r\n" + inner,
        start + chunked + b"\r\n" + b"fffffffffffffffff\r\n" + inner,
        start + chunked + b"\r\n" + b"-1\r\n" + inner,
        b"GET /healthz HTTP/1.1\n" + HOST + b"\n" + inner,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: \r\r\n\r\n\n" + inner,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: b\n\n" + inner,
    )
    return Attempt("", cut(random, random.choice(shapes)), expect="refused",
                   end=random.choice((READ, HALF)))


@maker(2)
def body_behind_a_get(random):
    """Its length is honest, so what it holds is a body, however much it looks like a request."""
    inner = post(stolen_order(random))
    method = random.choice((b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"POST"))
    path = random.choice((b"/healthz", b"/", b"/nothing", b"/v1/live", b"/v1/totals?topic=total"))
    head = method + b" " + path + b" HTTP/1.1\r\n" + HOST
    length = b"Content-Length: %d\r\n\r\n" % len(inner)
    return Attempt("", cut(random, head + length + inner), end=random.choice(ENDS))


@maker(2)
def pipelined_requests(random):
    """Ends with one that must not be answered, since it isn't finished."""
    get = b"GET %s HTTP/1.1\r\n" + HOST + b"\r\n"
    paths = (b"/healthz", b"/", b"/nothing", b"/v1/totals?topic=total", b"/metrics", b"/v1/live")
    data = b"".join(random.choice((get % random.choice(paths), post(b'{"type":"nothing"}'),
                                   handshake("live")))
                    for _ in range(random.randint(2, 30)))
    unfinished = post(stolen_order(random), length=100_000)
    return Attempt("", cut(random, data + unfinished), end=random.choice(ENDS))


@maker()
def body_that_lies_of_its_length(random):
    body = stolen_order(random)
    return Attempt("", cut(random, post(body, length=len(body) + random.choice((1, 9, 1 << 20)))),
                   end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker()
def expectations(random):
    what = random.choice((b"100-continue", b"200-ok", b"100-continue, x", b"\t"))
    extra = b"Expect: " + what + b"\r\n"
    body = b'{"type":"nothing"}'
    return Attempt("", cut(random, post(body, extra, random.choice((None, 1 << 21)))),
                   end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker()
def frames_behind_the_handshake(random):
    return Attempt("", [handshake("ingest") + masked(random, TEXT, stolen_order(random))],
                   expect="refused")


@maker()
def not_http_at_all(random):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(300)
    junk = random.choice((hello, random.randbytes(random.randint(1, 3000)), b"\0" * 500,
                          b"\r\n" * 300, b"SSH-2.0-x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n\r\n",
                          b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n"))
    return Attempt("", [junk], end=random.choice(ENDS))


# --- frames ---------------------------------------------------------------------------------------

def raw_frame(random, first, data, mask=True, width=None, length=None):
    """width: bytes of the long length, also where a shorter one is due."""
    length = len(data) if length is None else length
    if width is None:
        width = 0 if length < 126 else 2 if length < 1 << 16 else 8
    start = length if width == 0 else 126 if width == 2 else 127
    head = bytes([first, start | (0x80 if mask else 0)])
    head += struct.pack("!H", length) if width == 2 else struct.pack("!Q", length) if width else b""
    if not mask:
        return head + data
    key = random.randbytes(4)
    pad = (key * (len(data) // 4 + 1))[:len(data)]
    return head + key + bytes(a ^ b for a, b in zip(data, pad))


def masked(random, opcode, data, fin=True):
    return raw_frame(random, opcode | (0x80 if fin else 0), data)


def on_socket(random, data, **options):
    options.setdefault("end", random.choice(ENDS))
    kind = options.pop("kind", None) or random.choice(("ingest", "live"))
    return Attempt("", cut(random, data), socket=kind, **options)


@maker(3)
def unmasked_frame(random):
    """Also behind good ones, and in the middle of a message."""
    before = masked(random, TEXT, b'{"type":"nothing"}') if random.random() < .5 else b""
    opcode = random.choice((TEXT, PING, CLOSE, BINARY))
    data = b"" if opcode == CLOSE else stolen_order(random)[:125 if opcode == PING else None]
    return on_socket(random, before + raw_frame(random, 0x80 | opcode, data, mask=False),
                     expect="1002", end=READ)


@maker(2)
def reserved_bits_and_opcodes(random):
    first = random.choice([0x80 | bits | TEXT for bits in (0x40, 0x20, 0x10, 0x70)] +
                          [0x80 | code for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)])
    return on_socket(random, raw_frame(random, first, stolen_order(random)), expect="1002",
                     end=READ)


@maker()
def length_in_too_many_bytes(random):
    data = stolen_order(random)
    width, data = random.choice(((2, data[:125]), (8, data), (8, data[:5]), (8, data * 300)))
    return on_socket(random, raw_frame(random, 0x81, data[:65535], width=width), expect="1002",
                     end=READ)


@maker()
def length_of_2_to_the_63(random):
    length = random.choice((1 << 63, (1 << 64) - 1, (1 << 63) + 5))
    return on_socket(random, raw_frame(random, 0x81, b"x" * 50, width=8, length=length),
                     expect="1002", end=READ)


@maker()
def length_beyond_all_limits(random):
    length = random.choice(((1 << 63) - 1, 1 << 62, 1 << 32, 1 << 31))
    return on_socket(random, raw_frame(random, 0x81, b"x" * random.choice((0, 9, LONG)), width=8,
                                       length=length), end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker(2)
def fragments_out_of_order(random):
    order = stolen_order(random)
    begun, rest = masked(random, TEXT, order[:30], False), masked(random, CONTINUATION, order[30:])
    ping = masked(random, PING, b"x")
    shapes = (rest, begun + begun, begun + ping + masked(random, TEXT, order),
              begun + masked(random, BINARY, b"x", False), masked(random, CONTINUATION, b"", False),
              masked(random, TEXT, b"{}") + rest)
    return on_socket(random, random.choice(shapes), expect="1002", end=READ)


@maker()
def control_frames_out_of_rule(random):
    opcode = random.choice((PING, PONG, CLOSE))
    shapes = (raw_frame(random, opcode, b"x"),  # in fragments
              raw_frame(random, 0x80 | opcode, b"x" * 126),
              raw_frame(random, 0x80 | opcode, b"", width=8, length=1 << 20),
              raw_frame(random, 0x80 | CLOSE, b"x"))
    return on_socket(random, random.choice(shapes), expect="1002", end=READ)


@maker()
def flood_of_control_frames(random):
    frames = b"".join(masked(random, random.choice((PING, PONG)), some_bytes(random, 125))
                      for _ in range(random.choice((10, 300, 2000))))
    return on_socket(random, frames, end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker(2)
def close_of_any_kind(random):
    code = random.choice((0, 999, 1000, 1001, 1004, 1005, 1006, 1012, 1015, 2999, 3000, 4999,
                          5000, 65535))
    reason = random.choice((b"", b"bye", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 123))
    data = masked(random, CLOSE, struct.pack("!H", code) + reason)
    behind = random.choice((b"", data, masked(random, TEXT, stolen_order(random))))
    return on_socket(random, data + behind)


BOMB = zlib.compress(b"0" * 30_000_000, 9)[2:-4]


@maker()
def compressed_bomb(random):
    """Nobody agreed on deflate."""
    return on_socket(random, raw_frame(random, 0xC1, BOMB), expect="1002", end=READ)


@maker()
def extensions_in_the_handshake(random):
    offer = random.choice((b"permessage-deflate", b"permessage-deflate; server_max_window_bits=99",
                           b"x-webkit-deflate-frame", b"," * 2000, b"a;b=\"" + b"c" * 4000))
    shake = handshake("live").removesuffix(b"\r\n") + b"Sec-WebSocket-Extensions: " + offer
    frames = random.choice((b"", raw_frame(random, 0xC1, BOMB)))
    return Attempt("", [shake + b"\r\n\r\n", frames], slow=True, end=random.choice(ENDS))


@maker(2)
def text_that_is_not_utf8(random):
    """The bad bytes at any place, also where fragments meet."""
    bad = random.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8",
                         b"\x80"))
    room = b'{"type":"nothing","x":"%s"}'
    text = room % (b"\xe6\x9e\x97" * random.randint(0, 60) + bad + b"a" * random.randint(0, 300))
    at = random.randrange(len(text))
    frames = random.choice((masked(random, TEXT, text),
                            masked(random, TEXT, text[:at], False)
                            + masked(random, CONTINUATION, text[at:])))
    return on_socket(random, frames, expect="1007", end=READ)


@maker(2)
def deep_or_huge_json(random):
    deep = random.choice((9, 1000, 200_000))
    text = random.choice((b"[" * deep, b"[" * deep + b"]" * deep,
                          b'{"a":' * deep + b"1" + b"}" * deep,
                          b'{"type":"order","x":' + b"[" * deep, b'{"' + b"k" * LONG + b'":1}',
                          b'"' + b"\\u0000" * deep, b"[" + b"1," * deep, b"-" * LONG, b"9" * LONG,
                          b'{"type":"order","amount":1e' + b"9" * 5000 + b"}",
                          b"{" + b",".join(b'"%d":0' % n for n in range(20_000)) + b"}",
                          b"\n" * LONG, b"[{}]\n" * 3000))
    return on_socket(random, masked(random, TEXT, text[:1 << 20]),
                     end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker(2)
def subscriptions_of_all_sorts(random):
    names = ("total", "host/", "host/" + "x" * 65, "top/hosts?n=0", "top/hosts?n=9" + "9" * 20,
             "series/total?minutes=-1", "ticker/session/\u0000", "top/products?host=a&county=b",
             "top/" + "x" * 5000, "%s%n", "../../etc", "", "🏮" * 100, "host/*", "TOTAL")
    topics = random.choices((*names, None, 7, [], {}), k=random.choice((1, 10, 300, 5000)))
    message = {"type": random.choice(("subscribe", "unsubscribe", "x", None)), "topics": topics,
               "interval_ms": random.choice((0, -1, 1 << 63, 250, "x"))}
    data = masked(random, TEXT, json.dumps(message).encode()[:65536])
    return on_socket(random, data * random.randint(1, 3), kind="live", end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker(2)
def mutated_frames(random):
    frames = b"".join(masked(random, random.choice((TEXT, PING, PONG)), b'{"type":"nothing"}')
                      for _ in range(random.randint(1, 20)))
    return on_socket(random, mutated(random, frames, 5),
                     end=random.choice((HALF, CLOSE_NOW, RESET)))


@maker()
def random_bytes_for_frames(random):
    return on_socket(random, random.randbytes(random.randint(1, 5000)),
                     end=random.choice((HALF, CLOSE_NOW, RESET)))


# --- slowly ---------------------------------------------------------------------------------------

@maker()
def byte_by_byte(random):
    """Never all of it: of a head, a body, a frame."""
    order = stolen_order(random)
    data, kind = random.choice(((handshake("ingest")[:-1], None), (post(order)[:-1], None),
                                (masked(random, TEXT, order)[:-1], "ingest")))
    data = data[:random.randint(1, len(data))]
    steps = min(len(data), 40)
    at = len(data) - steps
    pieces = [data[:at], *(data[n:n + 1] for n in range(at, len(data)))]
    return Attempt("", [p for p in pieces if p], socket=kind, slow=True,
                   end=random.choice((CLOSE_NOW, RESET, HALF)))
