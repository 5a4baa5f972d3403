# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, and what is on its screen.

The terminal is a vt100, of which so much is understood as ncurses sends to one. What was sent for a
window of another size, and arrives after it changed, does no harm.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()][0-9A-Z]|\x1b([=>78M])")


class Screen:
    """Runs a program on a pty; use as a context manager, which ends it."""

    def __init__(self, *command, rows=24, columns=80, term="vt100", env=None):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.sent = b""
        self._pending = b""
        environment = dict(os.environ, TERM=term, **(env or {}))

        def own_terminal():
            # A session of its own: keys are signals for this program, and for nobody else.
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env=environment, preexec_fn=own_terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.saved = (0, 0)
        self.region = (0, rows - 1)  # what scrolls
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def read(self, timeout=0.2):
        """Takes what the program sends until it's silent for so long; True if it sent anything."""
        seen = False
        while select.select([self.master], [], [], timeout)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            seen = True
            self.sent += data
            self._take(data)
        return seen

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def expect(self, pattern, timeout=30.0):
        """Waits until the pattern is on the screen."""
        end = time.monotonic() + timeout
        while True:
            self.read(0.05)
            match = re.search(pattern, self.text(), re.M)
            if match:
                return match
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.text()}\n{self.sent[-500:]}")

    def end(self, timeout=30.0):
        """Waits for the program's end; its status."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0)
        return self.process.wait(1)

    def restored(self):
        """Is the terminal as it was before?"""
        return termios.tcgetattr(self.slave) == self.before

    def _take(self, data):
        data = self._pending + data
        self._pending = b""
        at = 0
        while at < len(data):
            if data[at] == 0x1b:
                match = SEQUENCE.match(data, at)
                if not match:
                    if len(data) - at > 16:
                        raise AssertionError(f"not of a vt100: {data[at:at + 16]!r}")
                    self._pending = data[at:]
                    return
                if match[2]:
                    self._control(match[1].decode(), match[2].decode())
                elif match[3]:
                    self._short(match[3])
                at = match.end()
                continue
            self._character(data[at])
            at += 1

    def _character(self, byte):
        if byte == 0x0d:
            self.column = 0
        elif byte == 0x0a:
            if self.row == self.region[1]:
                self._scroll(self.region[0], self.region[1])
            else:
                self.row = min(self.row + 1, self.rows - 1)
        elif byte == 0x08:
            self.column = max(self.column - 1, 0)
        elif byte >= 0x20:
            if self.column < self.columns:
                self.cells[self.row][self.column] = chr(byte)
            self.column += 1

    def _move(self, row, column):
        self.row = min(max(row, 0), self.rows - 1)
        self.column = min(max(column, 0), self.columns)

    def _scroll(self, gone, new):
        """The lines between the two move over the first, and the last becomes empty."""
        del self.cells[gone]
        self.cells.insert(new, [" "] * self.columns)

    def _short(self, byte):
        if byte == b"7":
            self.saved = (self.row, self.column)
        elif byte == b"8":
            self._move(*self.saved)
        elif byte == b"M" and self.row == self.region[0]:
            self._scroll(self.region[1], self.region[0])
        elif byte == b"M":
            self.row = max(self.row - 1, 0)

    def _control(self, arguments, letter):
        numbers = [int(n) if n.isdigit() else 0 for n in arguments.split(";")]
        first = numbers[0]
        if letter == "H":
            self._move(max(first, 1) - 1, max((numbers + [1])[1], 1) - 1)
        elif letter == "r":
            last = (numbers + [self.rows])[1] or self.rows
            self.region = (min(max(first, 1), self.rows) - 1, min(last, self.rows) - 1)
            self.row = self.column = 0
        elif letter in "ABCD":
            step = max(first, 1)
            down, right = {"A": (-step, 0), "B": (step, 0), "C": (0, step), "D": (0, -step)}[letter]
            self._move(self.row + down, self.column + right)
        elif letter == "K":
            cells = self.cells[self.row]
            span = range(self.column, self.columns) if first == 0 else range(0, self.column + 1)
            for i in span:
                if i < self.columns:
                    cells[i] = " "
        elif letter == "J":
            for i in range(self.row if first == 0 else 0, self.rows):
                self.cells[i] = self.cells[i][: self.column] if first == 0 and i == self.row else []
                self.cells[i] += [" "] * (self.columns - len(self.cells[i]))
