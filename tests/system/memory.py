# SPDX-License-Identifier: Apache-2.0
"""The host's side of a guest's memory, read from the host's kernel and not from lodge."""

import contextlib
import pathlib
import re
import struct
import time

from cost import split_by_ram, total

CGROUPS = pathlib.Path("/sys/fs/cgroup")
KSM = pathlib.Path("/sys/kernel/mm/ksm")
MIB = 1 << 20
PAGE = 4096
PATIENCE = 180.0


def group(guest):
    """The directory of the cgroup that the kernel says the VM process is in."""
    line = pathlib.Path(f"/proc/{guest.pid}/cgroup").read_text().strip()
    return CGROUPS / line.split("::", 1)[1].lstrip("/")


def charged(guest, file="memory.current"):
    return int((group(guest) / file).read_text())


def ram(guest, field):
    """Bytes of one of smaps' fields over guest RAM."""
    return total(split_by_ram(guest)[0], field) * 1024


def free_in_guest(guest):
    """MemFree by the guest's kernel, bytes."""
    return int(re.search(r"MemFree=(\d+)", guest.order("meminfo")[0])[1]) * 1024


def ksm_stat(guest):
    text = pathlib.Path(f"/proc/{guest.pid}/ksm_stat").read_text()
    return {name: int(value) for name, value in re.findall(r"^(\w+):? (-?\d+)$", text, re.M)}


def ksm(name):
    return int((KSM / name).read_text())


@contextlib.contextmanager
def merging(pages=20000):
    """KSM at work, at so many pages in 10 ms, and off again with nothing merged."""
    (KSM / "pages_to_scan").write_text(str(pages))
    (KSM / "sleep_millisecs").write_text("10")
    (KSM / "run").write_text("1")
    try:
        yield
    finally:
        (KSM / "run").write_text("2")
        (KSM / "run").write_text("0")


def stop_merging():
    """What is merged stays so, until somebody writes to it."""
    (KSM / "run").write_text("0")


def full_scans(n):
    """Waits until KSM has been through all memory n times more."""
    until = ksm("full_scans") + n
    end = time.monotonic() + PATIENCE
    while ksm("full_scans") < until:
        assert time.monotonic() < end, "KSM doesn't get on"
        time.sleep(0.2)


def resident(guest):
    """(address, bytes) of each stretch of guest RAM that is in the host's RAM, by /proc/PID/pagemap."""
    with open(f"/proc/{guest.pid}/pagemap", "rb") as pagemap:
        for region in guest.show()["ram"]:
            pagemap.seek(region["hva"] // PAGE * 8)
            entries = struct.unpack(f"<{region['bytes'] // PAGE}Q", pagemap.read(region["bytes"] // PAGE * 8))
            start = None
            for number, entry in enumerate((*entries, 0)):
                present = entry >> 63
                if present and start is None:
                    start = number
                elif not present and start is not None:
                    yield region["hva"] + start * PAGE, (number - start) * PAGE
                    start = None


def occurrences(guest, text):
    """How often the text is in the guest's RAM, as far as that is in the host's."""
    count = 0
    with open(f"/proc/{guest.pid}/mem", "rb") as memory:
        for address, length in resident(guest):
            memory.seek(address)
            count += memory.read(length).count(text)
    return count
