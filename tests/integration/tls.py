"""A daemon that speaks TLS, the authorities that its clients trust, and a Raw within TLS."""
import re
import socket
import ssl

import pytest

from certificates import Authority, trusting
from clients import Tool, Viewer
from harness import PATIENCE, Daemon, Folder, RedisServer
from wire import Raw

V11, V12, V13 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


class World:
    """Authorities, and a daemon that listens in clear text and by TLS."""

    def __init__(self, folder, redis=None, config=None, start=True):
        self.folder = folder
        self.root = Authority("Root")
        self.middle = Authority("Middle", via=self.root)
        self.pair = self.middle.issue()
        self.trust = trusting(self.root)
        self.root_file = self.root.write(folder.path / "root.pem")
        self.certificate = self.pair.write_certificate(folder.path / "certificate.pem")
        self.key = self.pair.write_key(folder.path / "key.pem")
        self.daemon = Daemon(folder, redis or RedisServer(folder),
                             listen=("127.0.0.1:0", "127.0.0.1:0 tls", "127.0.0.2:0 tls"),
                             start=start,
                             config={"tls.certificate": self.certificate, "tls.key": self.key,
                                     **(config or {})})

    @property
    def address(self):
        return tls_address(self.daemon)

    def tool(self, **options):
        return Tool(self.daemon, address=self.address, ssl=options.pop("trust", self.trust), **options)

    def viewer(self, **options):
        return Viewer(self.daemon, address=self.address, ssl=self.trust, **options)

    def socket(self, trust=None, rcvbuf=None):
        return tls_socket(self.address, trust or self.trust, rcvbuf)

    def serial(self):
        """Of the certificate that a new connection is shown."""
        with self.socket() as peer:
            return int(peer.getpeercert()["serialNumber"], 16)


def tls_address(daemon):
    return "127.0.0.1", int(re.search(r"https://127\.0\.0\.1:(\d+)",
                                      " ".join(daemon.addresses)).group(1))


def tls_socket(address, trust, rcvbuf=None):
    """After the handshake; address: (host, port) or the path of a Unix socket."""
    tcp = isinstance(address, tuple)
    raw = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
    raw.settimeout(10 * PATIENCE)
    if tcp:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if rcvbuf:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    try:
        raw.connect(address)
        return trust.wrap_socket(raw, server_hostname="localhost")
    except BaseException:
        raw.close()
        raise


class TlsRaw(Raw):
    """Raw within TLS."""

    def __init__(self, world, kind, rcvbuf=None):
        self.world = world
        super().__init__(world.daemon, kind, rcvbuf)

    def connect(self):
        return self.world.socket(rcvbuf=self.rcvbuf)


@pytest.fixture(scope="module")
def module_world():
    folder = Folder()
    world = World(folder)
    yield world
    world.daemon.stop()
    folder.close()


@pytest.fixture
def world(module_world):
    yield module_world
    assert module_world.daemon.running(), module_world.daemon.log[-3000:]


@pytest.fixture
def own(folder, redis):
    """A world that the test may change."""
    world = World(folder, redis)
    yield world
    world.daemon.stop()
