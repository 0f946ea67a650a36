"""livetally token: keys and tokens by command line, held against Python's own idea of a token."""
import base64
import hashlib
import hmac
import json
import time

import pytest

from harness import livetally


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(header, claims, secret):
    """A token as another program would make it."""
    text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
    return f"{text}.{encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with one key of each kind, named like its algorithm. Nobody changes it."""
    folder = tmp_path_factory.mktemp("keys")
    for algorithm in ("HS256", "HS512", "RS256", "ES256"):
        made = livetally("token", "new-key", "--alg", algorithm, folder / algorithm)
        assert made.returncode == 0, made.stderr
    return folder


def mint(key, *args):
    made = livetally("token", "mint", "--key", key, *args)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def inspect(token, *args):
    return livetally("token", "inspect", *args, input=token)


def test_keys_are_not_for_others(keys):
    modes = {path.name: path.stat().st_mode & 0o777 for path in keys.iterdir()}
    assert {name for name, mode in modes.items() if mode & 0o077 == 0} == {
        "HS256.hs256", "HS512.hs512", "RS256.key", "ES256.key"}
    assert set(modes) >= {"RS256.pem", "ES256.pem"}
    secret = (keys / "HS256.hs256").read_text()
    again = livetally("token", "new-key", keys / "HS256")
    assert again.returncode == 2 and "exists" in again.stderr
    assert (keys / "HS256.hs256").read_text() == secret


@pytest.mark.parametrize("name", ["HS256.hs256", "HS512.hs512", "RS256.key", "ES256.key"])
def test_what_is_minted_is_accepted(keys, name):
    token = mint(keys / name, "--scope", "ingest view", "--host", "ling", "--host", "wang",
                 "--topic", "top/*", "--for", "30d", "--name", "tool-7")
    header, claims, _ = token.split(".")
    assert json.loads(decode(header)) == {"alg": name.split(".")[0], "kid": name.split(".")[0],
                                          "typ": "JWT"}
    claims = json.loads(decode(claims))
    assert 0 <= claims.pop("exp") - claims.pop("iat") - 30 * 86400 <= 1
    assert claims == {"scope": "ingest view", "hosts": ["ling", "wang"], "topics": ["top/*"],
                      "sub": "tool-7"}
    shown = inspect(token + "\n", "--key", keys)
    assert shown.returncode == 0 and "good" in shown.stdout, shown
    assert '["ling","wang"]' in shown.stdout and "expires in" in shown.stdout
    assert livetally("token", "inspect", token).returncode == 0


def test_python_and_we_mean_the_same(keys):
    secret = (keys / "HS256.hs256").read_bytes().strip()
    text, _, signature = mint(keys / "HS256.hs256", "--scope", "view", "--for",
                              "90m").rpartition(".")
    assert decode(signature) == hmac.new(secret, text.encode(), hashlib.sha256).digest()
    header = {"typ": "JWT", "alg": "HS256", "kid": "HS256"}
    claims = {"exp": int(time.time()) + 100, "scope": "view", "topics": ["total"]}
    assert inspect(sign(header, claims, secret), "--key", keys).returncode == 0


def test_what_a_server_would_refuse(keys):
    secret = (keys / "HS256.hs256").read_bytes().strip()
    public = (keys / "RS256.pem").read_bytes()
    ours = {"alg": "HS256", "kid": "HS256"}
    good = {"exp": int(time.time()) + 100, "scope": "view"}
    for token, reason in (
            (sign(ours, good, b"x" * 32), "signature"),
            (sign({"alg": "none", "kid": "HS256"}, good, secret), "alg"),
            (sign({"alg": "HS256", "kid": "RS256"}, good, public), "alg"),
            (sign({"alg": "HS256"}, good, secret), "kid"),
            (sign(ours, good | {"exp": int(time.time()) - 61}, secret), "expired"),
            (sign(ours, {"scope": "view"}, secret), "exp"),
            ("rubbish", "not a JSON Web Token"),
            ("", "not a JSON Web Token")):
        shown = inspect(token, "--key", keys)
        assert shown.returncode == 1, (token, shown)
        assert "refused" in shown.stdout and reason in shown.stdout, (token, shown.stdout)


@pytest.mark.parametrize("args", [
    [], ["frobnicate"], ["mint"], ["new-key"], ["inspect", "a", "b"], ["inspect", "--nonsense"],
    ["new-key", "--alg", "none", "k"], ["inspect", "--key", "/no/such/folder/k"],
    ["mint", "--key", "/no/such/key", "--scope", "view", "--for", "1h"]], ids=" ".join)
def test_wrong_use_exits_with_2(args):
    result = livetally("token", *args, input="")
    assert result.returncode == 2, result
    assert result.stderr and not result.stdout


@pytest.mark.parametrize("change", [
    ("--scope", "everything"), ("--for", "1"), ("--for", "-1d"), ("--for", "1y"), ("--for", "0d"),
    ("--host", "no host"), ("--topic", "totals"), ("--name", "a b"), ("--alg", "none"),
    ("--alg", "HS512"), ("--kid", "a b")], ids=" ".join)
def test_what_is_not_minted(keys, change):
    result = livetally("token", "mint", "--key", keys / "HS256.hs256", "--scope", "view", "--for",
                       "1h", *change)
    assert result.returncode == 2 and result.stderr and not result.stdout, result
