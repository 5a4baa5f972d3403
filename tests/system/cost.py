# SPDX-License-Identifier: Apache-2.0
"""What a guest costs its host, read from the host's kernel."""

import pathlib
import re
import time


def mappings(pid):
    """(start, end, name, figures in kB) of each mapping of a process, as the kernel says it."""
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)", line)
        if head:
            found.append((int(head[1], 16), int(head[2], 16), head[3], {}))
        else:
            field = re.match(r"(\w+):\s+(\d+) kB", line)
            if field:
                found[-1][3][field[1]] = int(field[2])
    return found


def split_by_ram(guest):
    """The mappings that are guest RAM, and the others."""
    ranges = [(r["hva"], r["hva"] + r["bytes"]) for r in guest.show()["ram"]]
    ram, own = [], []
    for mapping in mappings(guest.pid):
        inside = any(start <= mapping[0] and mapping[1] <= end for start, end in ranges)
        (ram if inside else own).append(mapping)
    return ram, own


def total(maps, field):
    return sum(figures.get(field, 0) for _, _, _, figures in maps)


def kernel_image(guest):
    """The mappings of the unpacked kernel in a guest's RAM."""
    ram, _ = split_by_ram(guest)
    return [mapping for mapping in ram if "/kernels/" in mapping[2]]


def hush(guest):
    """Leaves the guest with nothing to do: its kernel would fetch random numbers every minute."""
    guest.order("sh echo none > /sys/class/misc/hw_random/rng_current")


def rest(guest):
    """The same, and waits until the guest has reported the memory that booting has freed: a part every two seconds."""
    hush(guest)
    reported, since = -1, 0.0
    while time.monotonic() - since < 6:
        now = guest.show()["balloon"]["reported_total"]
        if now != reported:
            reported, since = now, time.monotonic()
        time.sleep(1)
    time.sleep(3)


def switches(tid, pid):
    """How often a thread was woken or pushed aside."""
    text = pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
    return sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", text))
