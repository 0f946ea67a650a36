"""Runs a program under the restrictions of a systemd unit, without systemd: what the kernel offers
for each of them is asked for here directly, in the order in which systemd does it.

    confine.py UNIT WRITABLE-FOLDER COMMAND...

Of the unit's sandbox these are in force: ProtectSystem=strict, PrivateDevices, PrivateMounts,
ProtectHome (unless the program is there), NoNewPrivileges, an empty CapabilityBoundingSet,
SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces, MemoryDenyWriteExecute and
LockPersonality; as root ProcSubset=pid and ProtectProc=invisible, otherwise PrivateUsers. The rest
takes a running systemd.
"""
import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import seccomp

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
CLONE_NAMESPACES = 0x7E020080
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def settings_of(unit):
    """Key to list of values, of the unit's lines in their order."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", Path(unit).read_text(), re.M):
        found.setdefault(key, []).append(value)
    return found


def checked(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, options=None):
    encoded = [str(x).encode() if x is not None else None for x in (source, target, kind, options)]
    checked(LIBC.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]), f"mount {target}")


def set_read_only(path, read_only, recursive=False):
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY if read_only else 0,
                                       0 if read_only else MOUNT_ATTR_RDONLY, 0, 0)
    checked(LIBC.syscall(MOUNT_SETATTR, AT_FDCWD, str(path).encode(),
                         AT_RECURSIVE if recursive else 0, attributes, ctypes.sizeof(attributes)),
            f"mount_setattr {path}")


def enter_user_namespace(uid, gid):
    """Only ourselves exist in it, which is what PrivateUsers= leaves besides root."""
    checked(LIBC.unshare(CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def make_private_devices():
    """A /dev with a few harmless devices; built aside first, as they come from the old one."""
    fresh = "/dev/shm"
    mount("tmpfs", fresh, "tmpfs", MS_NOSUID)
    for name in DEVICES:
        Path(fresh, name).touch()
        mount(f"/dev/{name}", f"{fresh}/{name}", flags=MS_BIND)
    Path(fresh, "shm").mkdir()
    mount(fresh, "/dev", flags=MS_BIND | MS_REC)


def confine_files(writable, command, root):
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    mount(writable, writable, flags=MS_BIND)
    make_private_devices()
    if root:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "hidepid=invisible,subset=pid")
    set_read_only("/", True, recursive=True)
    set_read_only(writable, False)
    needed = [str(Path(word).resolve()) for word in [writable, *command] if word.startswith("/")]
    os.chdir(os.getcwd())  # of the new mounts, where it is one of theirs
    for home in ("/home", "/root"):
        if Path(home).is_dir() and not any(path.startswith(home + "/") for path in needed):
            mount("tmpfs", home, "tmpfs", MS_RDONLY)


def names_in_set(name):
    """The calls of a set like @system-service, which names other sets too."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
                          capture_output=True, text=True).stdout
    calls = set()
    for word in re.findall(r"^    (@?\w[\w-]*)$", text, re.M):
        calls |= names_in_set(word) if word.startswith("@") else {word}
    return calls


def allowed_calls(lines):
    allowed = names_in_set("@default")
    for line in lines:
        words = line.lstrip("~").split()
        calls = set().union(*(names_in_set(w) if w.startswith("@") else {w} for w in words))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def conditions(families):
    """Calls that are allowed for some arguments only: each list is one way to be allowed."""
    masked = seccomp.MASKED_EQ
    plain = seccomp.EQ
    return {
        "socket": [[seccomp.Arg(0, plain, family)] for family in families],
        "mmap": [[seccomp.Arg(2, masked, PROT_EXEC, 0)], [seccomp.Arg(2, masked, PROT_WRITE, 0)]],
        "mprotect": [[seccomp.Arg(2, masked, PROT_EXEC, 0)]],
        "pkey_mprotect": [[seccomp.Arg(2, masked, PROT_EXEC, 0)]],
        "shmat": [[seccomp.Arg(2, masked, SHM_EXEC, 0)]],
        "personality": [[seccomp.Arg(0, plain, 0)]],
        "clone": [[seccomp.Arg(0, masked, CLONE_NAMESPACES, 0)]],
    }


def make_filter(settings):
    families = [getattr(socket, name) for name in settings["RestrictAddressFamilies"][0].split()]
    rules = conditions(families)
    filter_ = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in sorted(allowed_calls(settings["SystemCallFilter"]) - {"unshare", "setns"}):
        # Flags of clone3 can't be seen by a filter; without it libc takes clone.
        action = seccomp.ERRNO(errno.ENOSYS) if name == "clone3" else seccomp.ALLOW
        try:
            for way in rules.get(name, [[]]):
                filter_.add_rule(action, name, *way)
        except RuntimeError:
            continue  # a call that only another architecture has
    return filter_


def drop_privileges():
    for capability in range(64):  # numbers that mean none yet are refused
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    checked(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def main():
    unit, writable, *command = sys.argv[1:]
    settings = settings_of(unit)
    root, uid, gid = os.geteuid() == 0, os.geteuid(), os.getegid()
    filter_ = make_filter(settings)
    if root:
        checked(LIBC.unshare(CLONE_NEWNS), "unshare")
    else:
        enter_user_namespace(uid, gid)
        checked(LIBC.unshare(CLONE_NEWNS), "unshare")
    confine_files(writable, command, root)
    drop_privileges()
    filter_.load()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
