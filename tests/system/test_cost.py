# SPDX-License-Identifier: Apache-2.0
"""What a guest costs its host beyond its own RAM: memory, wake-ups, and the kernel image that is shared."""

import time

from cost import kernel_image, rest, split_by_ram, switches, total
from guests import Guest

OWN_MEMORY_KIB = 3 * 1024


def test_the_process_itself_takes_at_most_3_mib(plain):
    plain.order("uname")
    ram, own = split_by_ram(plain)
    assert total(ram, "Rss") > 20 * 1024  # the guest is really there
    assert total(own, "Pss") <= OWN_MEMORY_KIB


def test_an_idle_guest_never_wakes_its_process(plain):
    rest(plain)
    own = {name: tid for name, tid in plain.threads().items() if not name.startswith("vcpu")}
    assert own
    woken = []
    # What the guest's kernel still does by itself after a start (docs/hacking.md) isn't the process's doing: it ends.
    while len(woken) < 3 and 0 not in woken:
        before = {name: switches(tid, plain.pid) for name, tid in own.items()}
        time.sleep(10)
        woken.append(sum(switches(tid, plain.pid) - before[name] for name, tid in own.items()))
    assert 0 in woken, woken


def test_guests_on_one_kernel_share_its_pages(plain):
    assert total(kernel_image(plain), "Rss") > 4 * 1024
    with Guest().ready() as second:
        for guest in (plain, second):
            image = kernel_image(guest)
            # Dirty: the cache may be on a tmpfs, whose pages are never clean.
            shared = total(image, "Shared_Clean") + total(image, "Shared_Dirty")
            assert shared > 4 * 1024
            # Pss counts a page that two have as half a page for each.
            private = total(image, "Private_Dirty") + total(image, "Private_Clean")
            assert total(image, "Pss") < private + shared * 0.6
        # lodge says the same as the kernel.
        said = plain.show()["host_memory"]["ram_files"]["shared"] // 1024
        ram, _ = split_by_ram(plain)
        files = [mapping for mapping in ram if mapping[2].startswith("/")]
        assert abs(said - total(files, "Shared_Clean") - total(files, "Shared_Dirty")) <= 1024
