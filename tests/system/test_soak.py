# SPDX-License-Identifier: Apache-2.0
"""Several guests whose memory is swapped, merged, ballooned, freed and verified at random, all at the same time.

`make soak` runs the long form for as long as SOAK_SECONDS says. A failure names the seed: LODGE_SOAK_SEED repeats the same
choices.
"""

import contextlib
import os
import random
import time

import pytest

from guests import Guest, lodge
from memory import KSM, MIB, merging, ram

SECONDS = float(os.environ.get("LODGE_SOAK_SECONDS", "300"))
SEED = int(os.environ.get("LODGE_SOAK_SEED") or random.randrange(1 << 32))


STEPS = 7  # kinds of what Filled can do


class Filled:
    """A guest that has filled some of its memory, and knows with what."""

    def __init__(self, guest, chance):
        self.guest = guest
        self.chance = chance
        self.seed = 0
        self.mib = 0
        self.refill()

    def verify(self):
        assert self.guest.order(f"verify {self.seed}")[0] == f"{self.mib * MIB} bytes"

    # What is filled and what is in the balloon stay together below what such a guest has: filling more than there is
    # would be refused.

    def refill(self):
        """Other contents. Guests share few seeds, so that there is something to merge."""
        self.guest.order("free")
        self.seed = self.chance.randrange(3)
        self.mib = self.chance.choice([16, 32, 48])
        self.guest.order(f"fill {self.mib}M {self.seed}")

    def more(self):
        """The pattern goes on where it ended."""
        if self.mib <= 32:
            self.guest.order(f"fill 16M {self.seed}")
            self.mib += 16

    def reclaim(self):
        # Less than asked for is fine: the rest may be busy.
        lodge("set", self.guest.name, f"reclaim={self.chance.choice([8, 32, 96])}M", check=False)

    def balloon(self):
        lodge("set", "--no-wait", self.guest.name, f"balloon={self.chance.choice([0, 16, 32, 48])}M")

    def settle_balloon(self):
        lodge("set", self.guest.name, f"balloon={self.chance.choice([0, 32])}M", check=False)

    def pause(self):
        lodge("pause", self.guest.name)
        lodge("resume", self.guest.name)

    def step(self, done):
        """Does what wasn't done yet to any guest, then anything."""
        all_of_it = [self.reclaim, self.verify, self.balloon, self.refill, self.settle_balloon, self.more, self.pause]
        new = [what for what in all_of_it if what.__name__ not in done]
        what = new[0] if new else self.chance.choice([*all_of_it, self.verify, self.reclaim])
        what()
        done[what.__name__] = done.get(what.__name__, 0) + 1


def unmerge_and_merge_again():
    (KSM / "run").write_text("2")
    (KSM / "run").write_text("1")


def soak(shapes, seconds):
    """Guests with so many vCPUs and such options, each thing at least once, and for so long."""
    chance = random.Random(SEED)
    done = {}
    # Slowly: KSM is to disturb the guests, and not to take the host's processor from them.
    with merging(pages=300), contextlib.ExitStack() as stack:
        guests = [Guest(cpus=cpus, memory="192M", options=options) for cpus, options in shapes]
        for guest in guests:
            stack.enter_context(guest)
        filled = [Filled(guest.ready(), chance) for guest in guests]
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(done) < STEPS:
            try:
                chance.choice(filled).step(done)
                if chance.randrange(10) == 0:
                    unmerge_and_merge_again()
            except AssertionError as error:
                raise AssertionError(f"with LODGE_SOAK_SEED={SEED}, after {done}: {error}") from error
        for one in filled:
            one.verify()
        print(f"{done}, swapped now: {[ram(guest, 'Swap') // MIB for guest in guests]} MiB")


def test_nothing_is_ever_wrong_whatever_happens_to_memory():
    soak([(1, ["--merge"]), (2, ["--merge"])], 20)


@pytest.mark.long
@pytest.mark.usefixtures("slow_swap")  # as much as that takes; the rest goes to the quick one
def test_nothing_is_ever_wrong_for_as_long_as_one_likes():
    soak([(1, ["--merge"]), (2, ["--merge"]), (4, ["--thp", "always"])], SECONDS)
