# SPDX-License-Identifier: Apache-2.0
"""Guests that use more memory than there is RAM for them, all at the same time. The witnesses are the host's kernel, by its counters, and
each guest's own contents, which can't be compressed.

In the lab with its one CPU, seconds say little: neighbours take the CPU too, and the machine under it is busy with other things. So what
memory costs is counted in what the kernel does for it (page faults, pages read back), and speeds are compared only within one run.
"""

import concurrent.futures
import contextlib
import pathlib
import random
import re
import signal
import statistics
import subprocess
import threading
import time

import pytest

from governing import governor
from guests import Guest, eventually
from memory import MIB, charged, full_scans, group, merging, ram
from pressure import events, nobody_runs_out, slice_limit, together

# A guest that has filled as much as it can, and what the host then holds of it, in RAM or in swap.
MEMORY, FILLED = "160M", "86M"
USED = 128 * MIB


def started(stack, n, **kwargs):
    """So many guests, which start at the same time and end with the stack."""
    kwargs.setdefault("memory", MEMORY)
    guests = [stack.enter_context(Guest(**kwargs)) for _ in range(n)]
    return [guest.ready() for guest in guests]


def held(guest):
    """Bytes that the host holds of a guest, in RAM and in swap."""
    return charged(guest) + charged(guest, "memory.swap.current")


def use_all_at_once(ratio, n, meanwhile=contextlib.nullcontext):
    """Guests that all use all their memory, which is `ratio` times as much as there is RAM for them."""
    with contextlib.ExitStack() as stack:
        guests = started(stack, n)
        limit = n * USED // ratio
        stack.enter_context(slice_limit(limit))
        stack.enter_context(nobody_runs_out(guests))
        stack.enter_context(meanwhile())
        together(guests, lambda i: f"fill {FILLED} {i}")
        assert sum(held(guest) for guest in guests) >= ratio * limit
        together(guests, lambda i: f"verify {i}")
        together(guests, lambda i: f"refill {10 + i}")
        together(guests, lambda i: f"verify {10 + i}")
        assert {guest.state() for guest in guests} == {"running"}


def test_all_memory_is_used_at_three_times_the_ram_and_nobody_runs_out():
    use_all_at_once(3, 3)


@pytest.mark.long
@pytest.mark.parametrize("ratio, n", [(2, 4), (3, 6), (4, 6)])
def test_all_memory_is_used_at_several_times_the_ram_and_nobody_runs_out(ratio, n):
    use_all_at_once(ratio, n)


@contextlib.contextmanager
def killed_governors():
    """lodged, killed every few seconds and started anew, and at the end once more to see that it can."""
    over = threading.Event()
    kills = []

    def kill_again_and_again():
        chance = random.Random(1)
        while not over.is_set():
            with subprocess.Popen(["lodged", "--interval", "1"], stderr=subprocess.DEVNULL) as process:
                over.wait(chance.uniform(0.5, 4))
                process.kill()
            kills.append(process.returncode)

    thread = threading.Thread(target=kill_again_and_again)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    # Killed, and none had ended before for a reason of its own.
    assert len(kills) >= 3 and set(kills) == {-signal.SIGKILL}
    subprocess.run(["lodged", "--once"], stdout=subprocess.DEVNULL, check=True, timeout=60)


def test_nobody_runs_out_while_the_governor_is_killed_again_and_again():
    use_all_at_once(3, 2, killed_governors)


@pytest.mark.long
def test_nobody_runs_out_at_four_times_the_ram_while_the_governor_is_killed_again_and_again():
    use_all_at_once(4, 6, killed_governors)


def check_merged_guests_that_write(n, size):
    """Merged guests fit into RAM; then they all write at once, and no two pages are the same any more."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(merging())
        guests = started(stack, n, options=["--merge"])
        together(guests, lambda i: f"fill {size}M 3")
        eventually("the pattern is merged", lambda: min(ram(guest, "KSM") for guest in guests) > 0.9 * size * MIB)
        full_scans(1)
        fits = sum(charged(guest) for guest in guests) + 8 * MIB
        stack.enter_context(slice_limit(fits))
        stack.enter_context(nobody_runs_out(guests))
        before = sum(charged(guest, "memory.swap.current") for guest in guests)
        assert before < 8 * MIB
        together(guests, lambda i: f"refill {10 + i}")
        together(guests, lambda i: f"verify {10 + i}")
        # Of all but one copy some found the place that page cache had; the rest had none in RAM.
        assert sum(charged(guest, "memory.swap.current") for guest in guests) - before > 0.4 * (n - 1) * size * MIB


def test_merged_guests_that_all_write_at_once_find_room():
    check_merged_guests_that_write(2, 48)


@pytest.mark.long
def test_many_merged_guests_that_all_write_at_once_find_room():
    check_merged_guests_that_write(5, 72)


@contextlib.contextmanager
def working(*guests, size=FILLED):
    """Guests that work on what they have filled, until the end; what each got done in a second, of the stretches that have ended."""
    over = threading.Event()
    speeds = {guest.name: [] for guest in guests}

    def work(guest):
        while not over.is_set():
            speeds[guest.name].append(speed(guest, 1, size))

    with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
        done = [pool.submit(work, guest) for guest in guests]
        try:
            yield speeds
        finally:
            over.set()
        for one in done:
            one.result()


def speed(guest, seconds, size):
    """Pages that a guest writes to in a second, at random among so many."""
    return int(re.match(r"\d+", guest.order(f"work {seconds} {size}")[0])[0]) / seconds


class Lowest:
    """The least that a guest has in RAM, looked at all the time from a thread of its own."""

    def __init__(self, guest):
        self.path = group(guest) / "memory.current"
        self.over = threading.Event()
        self.samples = []

    def __enter__(self):
        self.thread = threading.Thread(target=self._sample)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _sample(self):
        while not self.over.wait(0.02):
            self.samples.append(int(self.path.read_text(encoding="ascii")))

    def value(self):
        return min(self.samples)


def test_a_guarantee_is_never_broken_for_a_moment_while_neighbours_press():
    with contextlib.ExitStack() as stack:
        promised, = started(stack, 1, options=["--guarantee", "96M"])
        neighbours = started(stack, 2)
        stack.enter_context(slice_limit(208 * MIB))
        stack.enter_context(nobody_runs_out([promised, *neighbours]))
        promised.order(f"fill {FILLED} 1")
        together(neighbours, lambda i: f"fill {FILLED} {2 + i}")
        breaches = events(group(promised))["low"]
        with Lowest(promised) as lowest, working(*neighbours):
            # It does nothing for a while, which is when others' need is greatest; then it wants all it has.
            time.sleep(5)
            promised.order("verify 1")
            promised.order("touch")
        # What it has beyond the guarantee is taken, and not a page of the guarantee.
        assert charged(promised, "memory.swap.current") > 16 * MIB
        assert lowest.value() >= 96 * MIB
        assert len(lowest.samples) > 50
        assert events(group(promised))["low"] == breaches
        promised.order("verify 1")


# What the kernel had to do for a guest's memory. Not among it are exits for other reasons: the guest's timer ticks are by the second,
# and beside neighbours there are more of those to the same work.
FAULTS = "minflt", "majflt", "pf_taken", "workingset_refault_anon", "pswpin"


def faults(guest):
    stat = pathlib.Path(f"/proc/{guest.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    found = {"minflt": int(stat[7]), "majflt": int(stat[9])}
    for line in (group(guest) / "memory.stat").read_text(encoding="ascii").splitlines():
        name, value = line.split()
        found[name] = int(value)
    for folder in pathlib.Path("/sys/kernel/debug/kvm").glob(f"{guest.pid}-*"):
        found["pf_taken"] = int((folder / "pf_taken").read_text(encoding="ascii"))
    return {name: found[name] for name in FAULTS if name in found}


def faults_of_work(guest):
    """What it takes to go through what was filled three times."""
    before = faults(guest)
    for _ in range(3):
        guest.order("verify 1")
        guest.order("touch")
    return {name: count - before[name] for name, count in faults(guest).items()}


def test_work_within_a_guarantee_costs_no_page_more_beside_neighbours_that_press():
    with contextlib.ExitStack() as stack:
        promised, = started(stack, 1, memory="128M", options=["--guarantee", "128M"])
        neighbours = started(stack, 2)
        stack.enter_context(slice_limit(208 * MIB))
        promised.order("fill 48M 1")
        together(neighbours, lambda i: f"fill {FILLED} {2 + i}")
        alone, beside = [], []
        for _ in range(3):
            alone.append(faults_of_work(promised))
            with working(*neighbours):
                swapped_in = sum(faults(guest)["minflt"] + faults(guest)["majflt"] for guest in neighbours)
                beside.append(faults_of_work(promised))
                # They do press.
                assert sum(faults(guest)["minflt"] + faults(guest)["majflt"] for guest in neighbours) - swapped_in > 1000
        for name in alone[0]:
            least, most = (statistics.median(one[name] for one in what) for what in (alone, beside))
            # Of 3 times 2 times 12288 pages.
            assert most <= 1.05 * least + 16, (name, alone, beside)


def beyond(guest):
    """What a guest has in RAM beyond what it is promised."""
    promise = guest.show()["promise"]
    return charged(guest) - promise["guarantee"] - promise["overhead"]


def test_ram_beyond_guarantees_is_divided_by_weight():
    with contextlib.ExitStack() as stack:
        heavy, = started(stack, 1, memory="256M", options=["--guarantee", "32M", "--weight", "200"])
        light, = started(stack, 1, memory="256M", options=["--guarantee", "32M"])
        together([heavy, light], lambda i: f"fill 170M {i}")
        stack.enter_context(slice_limit(240 * MIB))
        stack.enter_context(nobody_runs_out([heavy, light]))
        stack.enter_context(governor())
        ratios = []
        with working(heavy, light, size="170M"):
            end = time.monotonic() + 75
            while time.monotonic() < end:
                ratios.append(beyond(heavy) / beyond(light))
                time.sleep(1)
        settled = statistics.median(ratios[-30:])
        print(f"heavy has {settled:.2f} times what light has, by way of {[round(ratio, 2) for ratio in ratios]}")
        assert 1.8 <= settled <= 2.2
        together([heavy, light], lambda i: f"verify {i}")


def settled_speed(busy, size, *args):
    """What a guest gets done once a governor has had the time to divide memory."""
    with governor(*args):
        with working(busy, size=size):
            time.sleep(15)
        return statistics.median(speed(busy, 2, size) for _ in range(3))


def test_memory_that_lies_idle_goes_to_who_works_and_comes_back_to_who_wakes():
    with contextlib.ExitStack() as stack:
        idle, = started(stack, 1, memory="288M", options=["--guarantee", "32M"])
        busy, = started(stack, 1, memory="288M", options=["--guarantee", "32M"])
        together([idle, busy], lambda i: f"fill 190M {i}")
        stack.enter_context(slice_limit(256 * MIB))
        stack.enter_context(nobody_runs_out([idle, busy]))
        idle.order("touch")
        with Lowest(idle) as lowest:
            untaxed = settled_speed(busy, "170M", "--tax", "0")
            had = charged(idle)
            taxed = settled_speed(busy, "170M", "--tax", "75")
            has = charged(idle)
        print(f"busy works on {untaxed:.0f} pages a second without the tax, {taxed:.0f} with it; idle had {had / MIB:.0f} MiB, and has {has / MIB:.0f}")
        assert taxed >= 1.3 * untaxed
        assert has < had and lowest.value() >= 32 * MIB
        with governor(), working(idle, busy, size="170M"):
            woke = time.monotonic()
            # What is its by weight, less a tenth: half of what there is without the host's margin.
            eventually("it has its memory back", lambda: charged(idle) >= 0.9 * (256 - 15) / 2 * MIB, 120)
            print(f"it had its memory back {time.monotonic() - woke:.1f} s after it woke")
        together([idle, busy], lambda i: f"verify {i}")
