# SPDX-License-Identifier: Apache-2.0
"""What all parts of the lab share: where things are, errors, locks."""

import ctypes
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time

LAB = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
REPOSITORY = os.path.dirname(LAB)

STATUS_USAGE = 2
STATUS_TIMEOUT = 124
STATUS_LAB = 125  # the lab itself failed; the command says nothing by it

SLOTS = 2  # emulated hosts at a time; each wants a core


class LabError(Exception):
    """One clear line, and the status to end with."""

    def __init__(self, text, status=STATUS_LAB):
        super().__init__(text)
        self.status = status


def say(text):
    print(f"lab/run: {text}", file=sys.stderr, flush=True)


def cache_dir():
    cache = os.environ.get("LODGE_CACHE")
    if not cache:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        cache = os.path.join(home, "lodge")
    return os.path.abspath(cache)


def lab_dir():
    """The lab's part of the cache, made if it isn't there."""
    path = os.path.join(cache_dir(), "lab")
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot make {path}: {error.strerror}; set LODGE_CACHE to a directory you can write")
    return path


def digest(*parts):
    """A short name for a list of inputs."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:16]


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Lock:
    """An flock on a file of its own, held until the process ends or close() is called."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def try_exclusive(self):
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def exclusive(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        return self

    def shared(self):
        fcntl.flock(self.fd, fcntl.LOCK_SH)
        return self

    def close(self):
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def take_slot():
    """Waits until fewer than SLOTS labs run; the slot is held as long as the returned lock is."""
    locks = [Lock(os.path.join(lab_dir(), f"slot-{i}")) for i in range(SLOTS)]
    told = False
    while True:
        for lock in locks:
            if lock.try_exclusive():
                for other in locks:
                    if other is not lock:
                        other.close()
                return lock
        if not told:
            say(f"{SLOTS} labs are running already; waiting for one to end")
            told = True
        time.sleep(0.2)


_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For preexec_fn: the kernel kills the child when lab/run ends, in whatever way that happens."""
    parent = os.getpid()

    def set_signal():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_signal


def run_tool(arguments, **options):
    """Runs a program that makes something; its complaint becomes the error."""
    try:
        done = subprocess.run(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent(), check=False, **options
        )
    except FileNotFoundError:
        raise LabError(f"{arguments[0]} is missing; run tools/packages (or: apt-get install {package_of(arguments[0])})")
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise LabError(f"{os.path.basename(arguments[0])} failed: {lines[-1]}")
    return done.stdout.decode(errors="replace")


def package_of(program):
    """The Debian package to name when a program is missing."""
    return {
        "mksquashfs": "squashfs-tools",
        "qemu-system-x86_64": "qemu-system-x86",
        "gcc": "gcc",
        "cpio": "cpio",
        "depmod": "kmod",
    }.get(os.path.basename(program), os.path.basename(program))
