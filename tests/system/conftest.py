# SPDX-License-Identifier: Apache-2.0
"""What every system test gets: a host without guests before it, and none left behind after it.

--shard=I/N runs every Nth test from the Ith on, so that N labs can share the tests. Neighbours, which
tend to take equally long, go to different shards. (With a space instead of the equals sign pytest,
which reads this file late, may take I/N for a path.)

A guest takes much longer to start than most tests to run, so the tests of a file that only look at one,
or leave it as it was, share it: the fixture `plain`. What shape it has, the file says in PLAIN, as the
arguments of Guest().

Tests marked `long` are further cases of others. They run only with --long, which `make soak` gives.
"""

import os
import pathlib
import re
import subprocess

import pytest

from guests import Guest, lodge, names

LAB_DISK = "/dev/vda"


def shard(text):
    """The type of --shard: (which, of how many), counted from 1."""
    match = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if not match or int(match[1]) > int(match[2]):
        raise pytest.UsageError(f"--shard takes I/N, such as 1/2, not '{text}'")
    return int(match[1]), int(match[2])


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long, and only those")
    parser.addoption("--shard", metavar="I/N", type=shard, default=(1, 1), help="run the Ith of N equal parts of the tests")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: a further case, for `make soak`")


def choose_form(config, items):
    """Either the short form or what the long form has beside it."""
    chosen = [item for item in items if bool(item.get_closest_marker("long")) == config.getoption("--long")]
    if len(chosen) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.hookimpl(trylast=True)  # what -k and -m choose is what is divided
def pytest_collection_modifyitems(config, items):
    choose_form(config, items)
    which, of = config.getoption("--shard")
    mine = items[which - 1 :: of]
    others = [item for index, item in enumerate(items) if index % of != which - 1]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = mine


@pytest.fixture(scope="module")
def shared():
    """The guest that a file's tests share, once there is one: {} or {"plain": guest}."""
    guests = {}
    yield guests
    for guest in guests.values():
        guest.__exit__()


@pytest.fixture
def plain(request, shared):
    if "plain" not in shared:
        shared["plain"] = Guest(name="plain", **getattr(request.module, "PLAIN", {})).ready()
    guest = shared["plain"]
    yield guest
    try:
        guest.order("free")
    except (AssertionError, OSError):
        # A test that left it dead has failed; the next gets another.
        shared.pop("plain").__exit__()
        raise


@pytest.fixture(autouse=True)
def no_guests_left(shared):
    yield
    left = [name for name in names() if name not in shared]
    for name in left:
        lodge("kill", name, check=False)
    assert not left, f"guests left behind: {left}"


@pytest.fixture
def huge_pages():
    """A function that has the host set that many huge pages of 2 MiB aside, until the test has ended."""
    pool = pathlib.Path("/proc/sys/vm/nr_hugepages")
    before = pool.read_text()

    def take(pages):
        pool.write_text(str(pages))
        assert int(pool.read_text()) == pages

    yield take
    pool.write_text(before)


@pytest.fixture
def slow_swap():
    """Swap that has whoever needs a page wait for it, until the test has ended. That of the lab is memory, which the kernel
    reads within the page fault; any other host's is on a disk, it is assumed."""
    if "LODGE_LAB" not in os.environ:
        yield
        return
    if not os.path.exists(LAB_DISK):
        pytest.skip("needs a disk to swap to: lab/run --disk 256M")
    subprocess.run(["mkswap", LAB_DISK], stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["swapon", "--priority", "10", LAB_DISK], check=True)
    yield
    subprocess.run(["swapoff", LAB_DISK], check=True)
