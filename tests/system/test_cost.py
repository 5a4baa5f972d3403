# SPDX-License-Identifier: Apache-2.0
"""What a guest costs its host beyond its own RAM: memory, wake-ups, and the kernel image that is shared."""

import pathlib
import re
import time

from guests import Guest

OWN_MEMORY_KIB = 3 * 1024


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


def test_the_process_itself_takes_at_most_3_mib():
    with Guest().ready() as guest:
        guest.order("uname")
        ram, own = split_by_ram(guest)
        assert total(ram, "Rss") > 20 * 1024  # the guest is really there
        assert total(own, "Pss") <= OWN_MEMORY_KIB


def switches(tid, pid):
    text = pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
    return sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", text))


def test_an_idle_guest_never_wakes_its_process():
    with Guest().ready() as guest:
        guest.order("uname")
        time.sleep(3)
        own = {name: tid for name, tid in guest.threads().items() if not name.startswith("vcpu")}
        assert own
        before = {name: switches(tid, guest.pid) for name, tid in own.items()}
        time.sleep(10)
        assert {name: switches(tid, guest.pid) for name, tid in own.items()} == before


def kernel_image(guest):
    """The mappings of the unpacked kernel in a guest's RAM."""
    ram, _ = split_by_ram(guest)
    return [mapping for mapping in ram if "/kernels/" in mapping[2]]


def test_guests_on_one_kernel_share_its_pages():
    with Guest().ready() as first:
        alone = kernel_image(first)
        assert total(alone, "Rss") > 4 * 1024
        with Guest().ready() as second:
            for guest in (first, second):
                image = kernel_image(guest)
                shared = total(image, "Shared_Clean")
                assert shared > 4 * 1024
                # Pss counts a page that two have as half a page for each.
                private = total(image, "Private_Dirty") + total(image, "Private_Clean")
                assert total(image, "Pss") < private + shared * 0.6
            text = "\n".join(f"{k}: {v}" for k, v in first.show()["memory"]["kernel_image"].items())
            assert text
