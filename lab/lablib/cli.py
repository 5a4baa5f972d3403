# SPDX-License-Identifier: Apache-2.0
"""The command line of lab/run."""

import os
import re
import signal
import sys

from . import payload, session
from .base import Base
from .common import LabError, REPOSITORY, STATUS_LAB, STATUS_USAGE, say, take_slot
from .machine import Console, Files, SWAP_SIZE, Shape
from .state import State

HELP = """Usage: lab/run [OPTION]... [--] COMMAND [ARGUMENT]...

Runs COMMAND in the lab: an emulated host whose Linux has a working /dev/kvm. It sees this repository, the
build's programs in its PATH, and the guests in the cache, each at the same path as here, and can write
anywhere; nothing it writes comes back but its standard output, standard error and exit status.

  --memory SIZE     the host's RAM (default 4G)
  --cpus N          its CPUs (default 2; 1 with --count)
  --swap SIZE       that much swap, on an NVDIMM: quick, and exact with --count
  --disk SIZE       an empty virtio disk of that size, /dev/vda
  --count           exact instruction counting: the TSC counts the host's instructions, the same in every
                    run; the clock stands at 2026-01-01
  --with PATH       take a file or directory along, at the same path (any number)
  --build DIR       the build to take along (default: $LODGE_BUILD, else build/)
  --env NAME=VALUE  set a variable for the command (any number); LODGE_* are passed on by themselves
  --timeout SECONDS how long the command may take (default 600; 0: for ever)
  --interactive     give the command this terminal (Ctrl-^ ends the lab); else its input is empty
  --console FILE    write the host kernel's console to a file
  --prepare         only make what runs start from
  --help            this text

Exit status: the command's; 124 if it took too long; 125 if the lab itself failed; 126 or 127 if the command
could not be run or found; 2 for wrong usage. Two labs can run at a time, a third waits.
What is cached and how to look into a hang: docs/lab.md"""

SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Options:
    def __init__(self):
        self.memory = 4 << 30
        self.cpus = None
        self.swap = 0
        self.disk = 0
        self.count = False
        self.extra = []
        self.build = os.path.abspath(os.environ.get("LODGE_BUILD") or os.path.join(REPOSITORY, "build"))
        self.environment = {}
        self.timeout = 600.0
        self.interactive = False
        self.console = None
        self.prepare = False
        self.command = []


def usage_error(text):
    return LabError(f"{text} (see --help)", STATUS_USAGE)


def parse_size(option, text, smallest, largest):
    match = re.fullmatch(r"(\d{1,15})([KMG]?)i?B?", text)
    if not match:
        raise usage_error(f"{option} takes a size such as 512M or 4G, not '{text}'")
    size = int(match[1]) * SIZE_UNITS[match[2]]
    if not smallest <= size <= largest:
        raise usage_error(f"{option} {text} is out of range: {smallest >> 20}M to {largest >> 30}G")
    return -(-size // (1 << 20)) << 20


def parse_number(option, text, smallest, largest, kind=int):
    try:
        number = kind(text)
    except ValueError:
        raise usage_error(f"{option} takes a number, not '{text}'")
    if not smallest <= number <= largest:
        raise usage_error(f"{option} {text} is out of range: {smallest} to {largest}")
    return number


def parse_with(text):
    path = os.path.abspath(text)
    if not os.path.lexists(path):
        raise usage_error(f"--with {text}: no such file")
    if path == "/" or path.startswith(("/dev/", "/proc/", "/sys/", "/run/")) or path in ("/dev", "/proc", "/sys", "/run"):
        raise usage_error(f"--with {text}: the lab has its own")
    return path


def set_option(options, name, value):
    if name == "--memory":
        options.memory = parse_size(name, value, 512 << 20, 64 << 30)
    elif name == "--cpus":
        options.cpus = parse_number(name, value, 1, 8)
    elif name == "--swap":
        options.swap = parse_size(name, value, 1 << 20, SWAP_SIZE)
    elif name == "--disk":
        options.disk = parse_size(name, value, 1 << 20, 256 << 30)
    elif name == "--with":
        options.extra.append(parse_with(value))
    elif name == "--build":
        options.build = os.path.abspath(value)
        if not os.path.isdir(options.build):
            raise usage_error(f"--build {value}: no such directory")
    elif name == "--env":
        variable, equals, content = value.partition("=")
        options.environment[variable] = content if equals else os.environ.get(variable, "")
    elif name == "--timeout":
        options.timeout = parse_number(name, value, 0, 86400, float)
    elif name == "--console":
        options.console = value


def parse(words):
    options = Options()
    words = list(words)
    while words and words[0].startswith("-"):
        word, equals, value = words.pop(0).partition("=")
        if word == "--":
            break
        if word in ("--help", "-h"):
            print(HELP)
            sys.exit(0)
        if word in ("--count", "--interactive", "--prepare"):
            if equals:
                raise usage_error(f"{word} takes no value")
            setattr(options, word[2:], True)
        elif word in ("--memory", "--cpus", "--swap", "--disk", "--with", "--build", "--env", "--timeout", "--console"):
            if not equals:
                if not words:
                    raise usage_error(f"{word} needs a value")
                value = words.pop(0)
            set_option(options, word, value)
        else:
            raise usage_error(f"unknown option '{word}'")
    options.command = words
    if options.prepare and words:
        raise usage_error("--prepare takes no command")
    if not options.prepare and not words:
        raise usage_error("which command?")
    if options.count and options.interactive:
        raise usage_error("--count and --interactive exclude each other")
    if options.interactive and not sys.stdin.isatty():
        raise usage_error("--interactive needs a terminal")
    if options.cpus is None:
        options.cpus = 1 if options.count else 2
    return options


def run(options):
    # Held to the end: the slot, and in the state the lock against pruning.
    slot = take_slot()  # noqa: F841
    base = Base()
    state = State(Shape(options.memory, options.cpus, options.count), base)
    state.ensure()
    if options.prepare:
        return 0
    flags = payload.ORDER_WARM if options.count else 0
    flags |= payload.ORDER_SWAP if options.swap else 0
    flags |= payload.ORDER_DISK if options.disk else 0
    rows = columns = 0
    if options.interactive:
        flags |= payload.ORDER_TTY
        rows, columns = session.window_size(sys.stdin.fileno())
    files = Files(payload.make(options, base, flags, rows, columns), payload.make_swap(options.swap), payload.make_disk(options.disk))
    machine = state.resume(files, Console(options.console))
    try:
        if options.interactive:
            with session.Terminal() as terminal:
                return session.attend(machine, options.timeout, options.count, terminal)
        return session.attend(machine, options.timeout, options.count)
    finally:
        machine.kill()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    pass


def on_signal(number, _):
    # One is enough: a second must not cut the cleaning up short.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)


def main(words):
    for number in SIGNALS:
        signal.signal(number, on_signal)
    try:
        return run(parse(words))
    except LabError as error:
        if error.status != 128 + signal.SIGPIPE:
            say(error)
        return error.status
    except OSError as error:
        say(f"{error.filename or 'the system'}: {error.strerror}")
        return STATUS_LAB
    except Interrupted as interrupt:
        return 128 + interrupt.args[0]
