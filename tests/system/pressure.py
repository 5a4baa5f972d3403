# SPDX-License-Identifier: Apache-2.0
"""A host with less RAM for guests than they ask for, and what its kernel says became of them."""

import concurrent.futures
import contextlib
import pathlib
import re

from guests import Guest, bare

SLICE = pathlib.Path("/sys/fs/cgroup/lodge.slice")


@contextlib.contextmanager
def slice_limit(size):
    """A host that has so much RAM for guests."""
    with Guest(kernel_path=bare("halt"), memory="8M"):
        pass  # so that there is a slice
    limit = SLICE / "memory.max"
    before = limit.read_text(encoding="ascii")
    limit.write_text(str(size), encoding="ascii")
    try:
        yield
    finally:
        limit.write_text(before, encoding="ascii")


def events(path):
    """A group's memory.events, which count what happened below it too."""
    return {name: int(count) for name, count in map(str.split, (path / "memory.events").read_text(encoding="ascii").splitlines())}


def ooms(path):
    """How often memory ran out in a group, and how many processes were ended for it, below it too."""
    counts = events(path)
    return counts["oom"], counts["oom_kill"]


def host_oom_kills():
    """How many processes the host's kernel has ended for want of memory, of a group's or its own."""
    return int(re.search(r"^oom_kill (\d+)$", pathlib.Path("/proc/vmstat").read_text(encoding="ascii"), re.M)[1])


def guest_oom_kills(guest):
    return int(guest.order("vmstat oom_kill")[1][0].split()[1])


@contextlib.contextmanager
def nobody_runs_out(guests):
    """Memory never runs out meanwhile: not in the host, not in the guests' slice, not in a guest."""
    before = host_oom_kills(), ooms(SLICE)
    yield
    assert (host_oom_kills(), ooms(SLICE)) == before
    assert [guest_oom_kills(guest) for guest in guests] == [0] * len(guests)


def together(guests, order):
    """Gives each guest its order, order(number), all at the same time. The answers' results."""
    with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
        return [answer[0] for answer in pool.map(lambda numbered: numbered[1].order(order(numbered[0])), enumerate(guests))]
