# SPDX-License-Identifier: Apache-2.0
"""The guests' own orders about memory, which other tests rely on (docs/guests.md)."""

import re

import pytest

from cost import split_by_ram, total
from guests import Guest, bare, lodge
from memory import MIB, PAGE, ram


PLAIN = {"cpus": 2}


@pytest.mark.parametrize("cpus", [1, 2])
def test_memory_that_comes_and_goes_stays_right(plain, cpus):
    plain.order("fill 48M 7")
    before = int(plain.order("vmstat pgfree")[1][0].split()[1])
    pieces = int(re.search(r"in (\d+) pieces", plain.order(f"churn 2 7 {cpus}")[0])[1])
    assert pieces > 0
    assert int(plain.order("vmstat pgfree")[1][0].split()[1]) - before > pieces
    plain.order("touch")
    plain.order("verify 7")
    plain.order("refill 8")
    plain.order("verify 8")
    with pytest.raises(AssertionError, match="wrong at offset 0"):
        plain.order("verify 7")
    with pytest.raises(AssertionError, match="wrong at offset"):
        plain.order(f"churn 2 7 {cpus}")


def test_work_stays_in_its_working_set_and_changes_nothing(plain):
    plain.order("fill 48M 7")
    lodge("set", plain.name, "reclaim=256M", check=False)
    swapped = ram(plain, "Swap")
    pages, of = map(int, re.fullmatch(r"(\d+) pages of (\d+)", plain.order("work 5 16M")[0]).groups())
    assert of == 16 * MIB // PAGE
    # Most of the 16 MiB, what the guest's kernel itself needs, and none of the other 32.
    assert pages > 2 * of and 12 * MIB < swapped - ram(plain, "Swap") < 36 * MIB
    assert plain.order("work 1")[0].endswith(f" pages of {48 * MIB // PAGE}")
    plain.order("verify 7")


def test_a_bare_guest_takes_as_much_memory_as_it_is_told():
    with Guest(kernel_path=bare("touch"), memory="32M", append="touch=20") as guest:
        guest.expect("bare: touched")
        assert 20 * 1024 <= total(split_by_ram(guest)[0], "Rss") < 22 * 1024
