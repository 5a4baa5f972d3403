# SPDX-License-Identifier: Apache-2.0
"""QEMU guests beside lodge's, driven alike, and what the host's kernel says that either costs.

The kernel, initramfs, memory and command line are the same for both. Orders go to the guest's init
over its virtio console, as the system tests do it (tests/system/guests.py).
"""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))

from cost import mappings, split_by_ram  # noqa: E402
import guests  # noqa: E402
from guests import BUILD, Guest, eventually, initrd, lodge  # noqa: E402

# Eight guests on one emulated CPU, on a machine that does other things too, take their time.
guests.PATIENCE = 900.0

__all__ = ["BUILD", "Guest", "LodgeGuest", "QemuGuest", "cgroup", "eventually", "lodge", "mappings", "promise", "spent",
           "unpacked_image", "warm"]

FLAVOUR = "6.12-cloud"
COMMAND_LINE = "console=hvc0 nokaslr quiet panic=-1"
GIB = 1 << 30
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def promise(what, value, limit, text="{:.3f}", least=False):
    """Prints one promise; whether it was missed."""
    missed = value < limit if least else value > limit
    bound = "at least" if least else "at most"
    print(f"{text.format(value)} ({bound} {text.format(limit)}: {'MISSED' if missed else 'kept'})  {what}", flush=True)
    return missed


def warm(*paths):
    """Everything in the page cache: the lab's disk isn't what is measured."""
    for path in paths:
        with open(path, "rb") as f:
            while f.read(1 << 20):
                pass


def unpacked_image():
    """The unpacked kernel, by starting a guest that puts it into lodge's cache."""
    copy = pathlib.Path("/tmp/vmlinux")
    if not copy.exists():
        with Guest(FLAVOUR, name="unpack", options=("--boot", "unpack")) as guest:
            shutil.copyfile(guest.show()["boot"]["image"], copy)
    return copy


class cgroup:
    """A cgroup v2 of the bench's own, for a guest that has none."""

    def __init__(self, name):
        self.path = CGROUPS / name
        self.path.mkdir()

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def remove(self):
        eventually(f"{self.path} is empty", lambda: not (self.path / "cgroup.procs").read_text())
        self.path.rmdir()


class Measured:
    """What both kinds of guests can tell: self.pid and self.cgroup are there."""

    def rss(self):
        """Bytes of the process that are in memory."""
        return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{self.pid}/status").read_text())[1]) << 10

    def memory_current(self):
        return int((self.cgroup / "memory.current").read_text())

    def thread_times(self):
        """Nanoseconds on a CPU by name of the thread. Exact for those that aren't running now."""
        times = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            times[name] = times.get(name, 0) + int((task / "schedstat").read_text().split()[0])
        return times

    def kvm_counts(self):
        """KVM's own counts of what this guest did."""
        found = {}
        for folder in pathlib.Path("/sys/kernel/debug/kvm").glob(f"{self.pid}-*"):
            for file in folder.iterdir():
                # Some are lists, for histograms.
                if file.is_file() and (text := file.read_text().strip()).isdigit():
                    found[file.name] = int(text)
        return found


class LodgeGuest(Measured, Guest):
    """A guest of lodge's."""

    kind = "lodge"

    def __init__(self, *, memory_mib, name="bench", append="", options=()):
        super().__init__(FLAVOUR, name=name, memory=f"{memory_mib}M", append=f"{COMMAND_LINE} {append}".strip(),
                         options=options)
        self.memory = memory_mib << 20
        text = pathlib.Path(f"/proc/{self.pid}/cgroup").read_text()
        self.cgroup = CGROUPS / re.search(r"^0::/(.*)$", text, re.MULTILINE)[1]

    def balloon(self, size):
        """Asks for a balloon of so many bytes and waits until the guest is there."""
        lodge("set", self.name, f"balloon={size >> 20}M")


class QemuGuest(Measured, Guest):
    """A microvm of QEMU's with the same devices."""

    kind = "qemu"

    def __init__(self, *, memory_mib, name="bench", append="", balloon="", machine=""):
        # None of Guest's own start: lodge has no part in this one.
        self.name = name
        self.output = ""
        self._seen = 0
        self.memory = memory_mib << 20
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        self._group = cgroup(f"qemu-{name}")
        self.cgroup = self._group.path
        command = [
            "qemu-system-x86_64", "-name", f"{name},debug-threads=on", "-M", f"microvm,accel=kvm,pcie=on{machine}", "-cpu", "host", "-smp", "1", "-m",
            str(memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel",
            str(unpacked_image()), "-initrd", str(initrd(FLAVOUR)), "-append", f"{COMMAND_LINE} {append}".strip(),
            "-chardev", f"socket,id=console,path={self.folder}/console,server=on,wait=off", "-device",
            "virtio-serial-pci,disable-legacy=on", "-device", "virtconsole,chardev=console", "-object",
            "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,disable-legacy=on,rng=rng", "-qmp",
            f"unix:{self.folder}/qmp,server=on,wait=off", "-device",
            f"virtio-balloon-pci,disable-legacy=on,id=balloon{balloon}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=self._group.enter)
        self.pid = self.process.pid
        self.console = self._connect("console")
        self._events = []
        self._qmp = self._connect("qmp").makefile("rw")
        self._receive()
        self.qmp("qmp_capabilities")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.console.close()
        self._group.remove()
        shutil.rmtree(self.folder)

    def _connect(self, name):
        sock = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 60
        while True:
            try:
                sock.connect(str(self.folder / name))
                return sock
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def _receive(self):
        return json.loads(self._qmp.readline())

    def qmp(self, command, **arguments):
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while True:
            message = self._receive()
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise AssertionError(f"QEMU: {command}: {message['error']['desc']}")
            else:
                return message["return"]

    def balloon(self, size):
        """As LodgeGuest.balloon(). QEMU's events say how large the guest's memory is now, at most one
        in a second; waiting for them costs nothing."""
        target = self.memory - size
        self.qmp("balloon", value=target)
        while True:
            event = self._events.pop(0) if self._events else self._receive()
            if event.get("event") == "BALLOON_CHANGE" and event["data"]["actual"] == target:
                return

    def ram(self):
        """The mapping that is guest RAM."""
        return [m for m in mappings(self.pid) if m[1] - m[0] == self.memory]


class spent:
    """Instructions that the host spent in a block, all programs, its kernel and the guests together.

    With exact counting the clock counts instructions, and leaps over times when there is nothing to do,
    which the kernel's own account of the idle task has to the nanosecond.
    """

    def __enter__(self):
        self._start = self._now()
        return self

    def __exit__(self, *_):
        clock, idle = self._now()
        self.idle = idle - self._start[1]
        self.busy = clock - self._start[0] - self.idle

    @staticmethod
    def _now():
        clock = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        text = pathlib.Path("/proc/timer_list").read_text()
        idle = sum(int(n) for n in re.findall(r"\.idle_sleeptime\s*:\s*(\d+) nsecs", text))
        return clock, idle
