"""The Debian package: that it builds, twice the same, and what is in it. Installing it in a fresh
system is for `make check-deb`."""
import re

import pytest

from harness import BUILD, REPO, livetallyd, run

pytestmark = pytest.mark.plain_build

FILES = {
    "/etc/livetally/livetallyd.conf", "/lib/systemd/system/livetallyd.service",
    "/lib/systemd/system/livetallyd.socket", "/lib/systemd/system/livetallyd@.service",
    "/usr/bin/livetally", "/usr/bin/livetallyd", "/usr/lib/livetally/redis-server",
    "/usr/lib/sysusers.d/livetally.conf", "/usr/share/bash-completion/completions/livetally",
    "/usr/share/doc/livetally/README.md", "/usr/share/doc/livetally/changelog.gz",
    "/usr/share/doc/livetally/copyright", "/usr/share/doc/livetally/examples/alerts.yml",
    "/usr/share/doc/livetally/examples/grafana-dashboard.json",
    "/usr/share/man/man1/livetally.1.gz", "/usr/share/man/man5/livetallyd.conf.5.gz",
    "/usr/share/man/man8/livetallyd.8.gz",
}
COUNTIES = REPO / "build/counties.csv"  # from `make assets`, which `make check` does first
if COUNTIES.exists():
    FILES.add("/usr/share/livetally/counties.csv")


def build(output):
    output.mkdir()
    result = run(REPO / "systemd" / "deb" / "build.sh", BUILD, output, timeout=60)
    assert result.returncode == 0, result.stderr
    (package,) = output.glob("*.deb")
    return package


def test_the_package_is_complete_and_reproducible(folder):
    package = build(folder.path / "one")
    assert package.read_bytes() == build(folder.path / "two").read_bytes()

    listed = run("dpkg-deb", "--contents", package).stdout
    names = re.findall(r" \./(.*?)(?: -> .*)?$", listed, re.M)
    assert {"/" + name for name in names if name and not name.endswith("/")} == FILES
    assert set(re.findall(r"^\S+ (\S+)", listed, re.M)) == {"root/root"}

    control = run("dpkg-deb", "--field", package).stdout
    version = livetallyd("--version").stdout.split()[1]
    assert f"\nVersion: {version}\n" in control
    depends = re.search(r"^Depends: (.*)$", control, re.M)[1]
    # The first is loaded by name at run time, the second started: no tool could find them.
    for name in ("libwebsockets-evlib-uv", "redis-tools", "libuv1", "libhiredis0.14", "libc6"):
        assert re.search(rf"(^|, ){re.escape(name)}\b", depends), depends

    run("dpkg-deb", "--control", package, folder.path / "control")
    assert (folder.path / "control" / "conffiles").read_text() == "/etc/livetally/livetallyd.conf\n"
    root = folder.path / "root"
    run("dpkg-deb", "--extract", package, root)
    sums = run("sh", "-c", 'cd "$0" && md5sum --check --quiet "$1"', root,
               folder.path / "control" / "md5sums")
    assert sums.returncode == 0, sums.stdout + sums.stderr
    links = [p for p in root.glob("etc/systemd/**/*") if p.is_symlink()]
    assert links == [], "no unit is enabled by the installation"
