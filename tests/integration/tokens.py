"""Keys, tokens and daemons that ask for them. No token may ever stand in a log or a metric, so Keys
remembers all it made, and after each test they are looked for."""
import base64
import hashlib
import hmac
import json
import time

import pytest
import websockets

from clients import Connection, get, http_request, metrics
from harness import Daemon, Folder, RedisServer, livetally


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Keys:
    """A folder of keys, and the tokens made with them. Remembers all of them, also the bad ones."""

    def __init__(self, folder):
        self.path = folder
        self.path.mkdir()
        self.tokens = []

    def add(self, name, algorithm="HS256"):
        made = livetally("token", "new-key", "--alg", algorithm, self.path / name)
        assert made.returncode == 0, made.stderr

    def mint(self, scope="ingest view", key="a.hs256", lasts="1h", hosts=(), topics=()):
        limits = [f"--host={h}" for h in hosts] + [f"--topic={t}" for t in topics]
        made = livetally("token", "mint", "--key", self.path / key, "--scope", scope, "--for",
                         lasts, *limits)
        assert made.returncode == 0, made.stderr
        return self.keep(made.stdout.strip())

    def sign(self, key="a", header=None, **claims):
        """What `livetally token` would not make."""
        secret = (self.path / f"{key}.hs256").read_bytes().strip()
        claims = {"scope": "ingest view admin", "exp": int(time.time()) + 3600, **claims}
        head = json.dumps(header or {"alg": "HS256", "kid": key}).encode()
        text = f"{encode(head)}.{encode(json.dumps(claims).encode())}"
        return self.keep(f"{text}.{encode(hmac.digest(secret, text.encode(), hashlib.sha256))}")

    def ending(self, seconds=1, **claims):
        """Expired, but good for so long still: 60 s of leeway."""
        return self.sign(exp=int(time.time()) - 60 + seconds, **claims)

    def keep(self, token):
        self.tokens.append(token)
        return token


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def by_header(kind, daemon, token):
    return kind(daemon, extra_headers=bearer(token))


def refusal(daemon, path, token=None, **options):
    """The status that a handshake is refused with."""
    headers = {**bearer(token), **options.pop("extra_headers", {})}
    with pytest.raises(websockets.InvalidStatusCode) as caught:
        Connection(daemon, path, extra_headers=headers, **options)
    return caught.value.status_code


def sent_away(connection):
    """The close code of a connection that was told nothing but goodbye, and that code."""
    code = connection.wait_closed()
    assert [m["type"] for m in connection.messages] == ["goodbye"], connection.messages
    return code, connection.messages[0]["code"]


def request(daemon, method, path, token=None, body=None, **headers):
    headers = {"Content-Type": "application/json", **bearer(token), **headers}
    return http_request(daemon, method, path, body and json.dumps(body), headers)


def errors(snapshot):
    return {e["topic"]: e["code"] for e in snapshot.get("errors", [])}


def far(daemon, path, token=None):
    """As a proxy on this machine hands on a request from elsewhere."""
    return request(daemon, "GET", path, token, **{"X-Forwarded-For": "203.0.113.7"})


def refusals(daemon, reason):
    return metrics(daemon)[f'livetally_auth_refusals_total{{reason="{reason}"}}']


def start(folder, keys, config=None, **options):
    return Daemon(folder, folder.redis, {"auth.keys": keys.path, **(config or {})}, **options)


@pytest.fixture(scope="module")
def place():
    folder = Folder()
    folder.redis = RedisServer(folder)
    folder.keys = Keys(folder.path / "keys")
    folder.keys.add("a")
    folder.daemons = [start(folder, folder.keys)]
    yield folder
    folder.daemons[0].stop()
    folder.close()


@pytest.fixture
def keys(place):
    return place.keys


@pytest.fixture
def guarded(place):
    """One daemon for all tests that only talk to it."""
    return place.daemons[0]


@pytest.fixture
def own(place, folder):
    """Starts a daemon with a key folder of the test's own, on the data set of all."""
    folder.redis = place.redis
    folder.keys = Keys(folder.path / "keys")
    folder.keys.add("a")
    folder.daemons = []

    def make(config=None, **options):
        folder.daemons.append(start(folder, folder.keys, config, **options))
        return folder.daemons[-1]
    make.keys = folder.keys
    yield make
    for daemon in folder.daemons:
        check_no_token(daemon, folder.keys)
        daemon.stop()


def check_no_token(daemon, keys):
    shown = daemon.log + get(daemon, "/metrics").text
    for token in keys.tokens:
        for part in token.split("."):
            assert len(part) < 8 or part not in shown


@pytest.fixture(autouse=True)
def nothing_shows_a_token(place):
    yield
    assert place.daemons[0].running(), place.daemons[0].log[-3000:]
    check_no_token(place.daemons[0], place.keys)
