# SPDX-License-Identifier: Apache-2.0
"""Guests as tests drive them: `lodge` as a user runs it, and orders over the console socket.

The orders and answers are those of guest/init.c (docs/guests.md).
"""

import contextlib
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import time

CACHE = pathlib.Path(os.environ.get("LODGE_CACHE", os.path.expanduser("~/.cache/lodge")))
BUILD = pathlib.Path(os.environ.get("LODGE_BUILD") or pathlib.Path(__file__).resolve().parents[2] / "build")
RUNTIME = pathlib.Path(os.environ.get("LODGE_RUNTIME_DIR", "/run/lodge"))
FLAVOURS = ["6.1-cloud", "6.12-cloud", "6.12-generic"]
READY = "lodge-guest: ready"

# A console that says nothing for so long is one of a guest that hangs. The lab is slow, and on a busy
# machine slower still: a kernel with 8 vCPUs may need two minutes for what takes a second on hardware.
PATIENCE = 300.0

_numbers = itertools.count(1)


def kernel(flavour):
    return CACHE / "kernels" / flavour / "vmlinuz"


def initrd(flavour):
    return CACHE / "guests" / f"{flavour}.initrd"


def bare(name):
    """A bare-metal guest of a few hundred bytes (guest/bare/)."""
    return BUILD / "guest" / "bare" / name


def lodge(*args, check=True, **kwargs):
    """Runs lodge and gives the finished process, with its output as text."""
    kwargs.setdefault("timeout", PATIENCE)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(["lodge", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, **kwargs)
    if check and done.returncode:
        raise AssertionError(f"lodge {' '.join(map(str, args))}: status {done.returncode}: {done.stderr}")
    return done


def names():
    """The running guests, as `lodge ps` lists them."""
    return [guest["name"] for guest in json.loads(lodge("ps", "--json").stdout)]


def left_behind(name):
    """What is there of a guest that should be gone: its directory, its processes."""
    found = [str(RUNTIME / name)] if (RUNTIME / name).exists() else []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(f"lodge: {name}\0".encode()):
                found.append(str(process))
    return found


class Guest:
    """A guest in the background, with its console."""

    def __init__(self, flavour="6.12-cloud", *, name=None, cpus=1, memory="256M", append="", options=(),
                 kernel_path=None, initrd_path=None):
        self.name = name or f"t{next(_numbers)}"
        self.output = ""
        self._seen = 0
        args = ["run", "-d", "--name", self.name, "--kernel", kernel_path or kernel(flavour), "--cpus", cpus,
                "--memory", memory, *options]
        if kernel_path is None or initrd_path:
            args += ["--initrd", initrd_path or initrd(flavour)]
        if append:
            args += ["--append", append]
        lodge(*args)
        self.console = socket.socket(socket.AF_UNIX)
        self.console.connect(str(RUNTIME / self.name / "console.sock"))
        self.pid = self.show()["pid"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lodge("kill", self.name, check=False)
        self.console.close()

    def show(self):
        return json.loads(lodge("show", self.name, "--json").stdout)

    def state(self):
        return self.show()["state"]

    def expect(self, pattern):
        """Reads the console until the pattern, which is of one line, turns up after what was expected last."""
        search = re.compile(pattern, re.MULTILINE).search
        looked = self._seen
        while True:
            match = search(self.output, looked)
            if match:
                self._seen = match.end()
                return match
            # Each line is looked at as it grows, and not again: there may be thousands.
            looked = max(looked, self.output.rfind("\n") + 1)
            self._read(pattern)

    def _read(self, pattern):
        self.console.settimeout(PATIENCE)
        try:
            data = self.console.recv(65536)
        except TimeoutError:
            data = b""
        if not data:
            raise AssertionError(f"guest {self.name}: no {pattern!r} on the console, which said:\n"
                                 + self.output[-4000:])
        self.output += data.decode(errors="replace").replace("\r", "")

    def ready(self):
        """Waits until the guest's init has loaded the modules, which is when it says what it is. Used as
        `with Guest().ready() as guest`, so a guest that doesn't come up is ended here."""
        try:
            self.expect(READY)
            self.expect("^lodge-guest: Linux")
        except AssertionError:
            self.__exit__()
            raise
        return self

    def send(self, line):
        self.console.sendall(line.encode() + b"\n")

    def order(self, line):
        """Gives an order and returns (the result, the lines of the answer)."""
        name = re.escape(line.split()[0])
        start = self._seen
        self.send(line)
        # The end first: a pattern that takes the body in as well is slow in a long one.
        match = self.expect(rf"^(ok {name} (?P<result>.*)|error {name}: (?P<why>.*))(?=\n)")
        if match["why"] is not None:
            raise AssertionError(f"guest {self.name}: {line}: {match['why']}")
        before = self.output[start : match.start()].splitlines()
        body = [text[2:] for text in before if text.startswith("| ")]
        return match["result"], body

    def ends_by(self, order):
        """Gives an order that ends the guest; the exit status, from a `lodge wait` that is there first."""
        with subprocess.Popen(["lodge", "wait", self.name]) as waiter:
            time.sleep(3)
            self.send(order)
            return waiter.wait(PATIENCE)

    def threads(self):
        """The VM process's threads: name to id."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            found[(task / "comm").read_text().strip()] = int(task.name)
        return found


def eventually(what, condition, seconds=PATIENCE):
    """Waits until condition() holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"never happened: {what}")
