# SPDX-License-Identifier: Apache-2.0
"""One run: passes on what the command says until it ends, takes too long, or the machine fails."""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
import tty

from .common import LabError, STATUS_LAB, STATUS_TIMEOUT, lab_dir
from .machine import Frames

ESCAPE = b"\x1e"  # Ctrl-^ ends an interactive lab


def write_all(fd, data):
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if error.errno == errno.EPIPE:
                # Who read our output has gone: end as a program without a lab would.
                raise LabError("nobody reads the output any more", 128 + signal.SIGPIPE)
            raise


def window_size(fd):
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
        return rows, columns
    except OSError:
        return 24, 80


class Terminal:
    """This terminal in raw mode for as long as the lab has it."""

    def __enter__(self):
        self.before = termios.tcgetattr(sys.stdin.fileno())
        tty.setraw(sys.stdin.fileno())
        self.woken, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGWINCH, lambda *_: os.write(waker, b"w"))
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self.before)


def report_hang(machine, seconds, count):
    """After a time-out: the tasks' states to a file, and where they are."""
    path = os.path.join(lab_dir(), "last-timeout.log")
    if not count:
        try:
            machine.channel.settimeout(5)
            machine.channel.sendall(Frames.pack("T", b""))
            before = -1
            end = time.monotonic() + 5
            while time.monotonic() < end and before != len(machine.console.text()):
                before = len(machine.console.text())
                time.sleep(0.5)
        except OSError:
            pass
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(machine.console.text())
        where = f" (the lab's console, with the state of its tasks: {path})"
    except OSError:
        where = ""
    return LabError(f"the command did not end within {seconds:g} s{where}", STATUS_TIMEOUT)


def attend(machine, timeout, count, terminal=None):
    """Returns the command's exit status."""
    frames = Frames()
    deadline = time.monotonic() + timeout if timeout else None
    sources = [machine.channel]
    if terminal:
        sources += [sys.stdin.fileno(), terminal.woken]
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic())
        ready, _, _ = select.select(sources, [], [], left)
        if not ready and left is not None and time.monotonic() >= deadline:
            raise report_hang(machine, timeout, count)
        if machine.channel in ready:
            data = machine.channel.recv(1 << 20)
            if not data:
                machine.process.wait()
                raise machine.failure("the lab's machine ended before the command did")
            for kind, body in frames.feed(data):
                if kind == "O":
                    write_all(sys.stdout.fileno(), body)
                elif kind == "E":
                    write_all(sys.stderr.fileno(), body)
                elif kind == "X":
                    return struct.unpack("<I", body)[0]
                elif kind == "L":
                    raise machine.failure(f"the lab failed: {body.decode(errors='replace')}")
                else:
                    raise LabError("the lab's agent talks nonsense", STATUS_LAB)
        if terminal and terminal.woken in ready:
            os.read(terminal.woken, 64)
            machine.channel.sendall(Frames.pack("W", struct.pack("<HH", *window_size(sys.stdin.fileno()))))
        if terminal and sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data or ESCAPE in data:
                raise LabError("ended from the terminal", 130)
            machine.channel.sendall(Frames.pack("I", data))
