"""Secrets as systemd hands them over (LoadCredential): the lines that stand ready in the units name
files under which livetallyd finds keys, passwords and certificates."""
import re
import shutil

from certificates import Authority
from clients import Tool
from events import order
from harness import REPO, Daemon, RedisServer
from tokens import Keys, bearer, request


def ready_lines(unit):
    """What the unit loads ({id: path}), and the configuration that its comment names."""
    text = (REPO / "systemd" / unit).read_text()
    loads = dict(re.findall(r"^#LoadCredential=([\w.-]+):(\S+)$", text, re.M))
    config = dict(re.findall(r"^#   (\w+\.\w+) ?= ?\S+/([\w.-]+)$", text, re.M))
    return loads, config


def load(credentials, loads, sources):
    """As systemd does: a file by its id, a folder's files by the id, "_" and their names; readable
    for the service alone."""
    credentials.mkdir()
    for name, path in loads.items():
        source = sources[path]
        for file in sorted(source.iterdir()) if source.is_dir() else [source]:
            copy = credentials / (f"{name}_{file.name}" if source.is_dir() else name)
            shutil.copy(file, copy)
            copy.chmod(0o400)
    credentials.chmod(0o500)
    return credentials


def test_the_lines_of_the_units_lead_to_their_credentials(folder):
    loads, config = ready_lines("livetallyd.service")
    assert ready_lines("livetallyd@.service") == (loads, config)
    assert set(config) == {"auth.keys", "redis.password_file", "tls.certificate", "tls.key"}
    password = folder.path / "redis-password"
    password.write_text("secret of redis\n")
    keys = Keys(folder.path / "keys")
    keys.add("2026-11")
    keys.add("2026-12")
    pair = Authority("root").issue()
    credentials = load(folder.path / "credentials", loads, {
        "/etc/livetally/keys": keys.path, "/etc/livetally/redis-password": password,
        "/etc/livetally/tls.crt": pair.write_certificate(folder.path / "crt"),
        "/etc/livetally/tls.key": pair.write_key(folder.path / "key")})
    redis = RedisServer(folder, password="secret of redis")
    daemon = Daemon(folder, redis, {key: credentials / name for key, name in config.items()})
    for key in ("2026-11", "2026-12"):
        headers = bearer(keys.mint("ingest", key=f"{key}.hs256"))
        with Tool(daemon, extra_headers=headers) as tool:
            assert tool.verdict(order(f"{key}-order")) == "accepted"
    assert request(daemon, "GET", "/v1/totals?topic=total").status == 401
    assert "TLS certificate subject=" in daemon.log
    daemon.stop()
