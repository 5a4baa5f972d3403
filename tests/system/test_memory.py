# SPDX-License-Identifier: Apache-2.0
"""Guest memory goes through everything that the host's kernel does with memory, and stays what it was."""

import re

import pytest

from guests import Guest, bare, eventually, lodge
from memory import MIB, charged, free_in_guest, full_scans, ksm_stat, merging, occurrences, ram, stop_merging

# Without free page reporting, so that it's the balloon that gives memory back.
PLAIN = {"options": ["--balloon", "stats,deflate-on-oom"]}


def interrupts(guest, name):
    """A line of the guest's /proc/interrupts, added up over its CPUs."""
    _, lines = guest.order(f"irqs {name}")
    return sum(int(word) for line in lines for word in line.split(":")[1].split() if word.isdigit())


def swap_out(guest):
    """Has the kernel take all it can get, which is less than was asked for."""
    lodge("set", guest.name, f"reclaim={guest.show()['memory']}", check=False)


def check_balloon_cycles(guest):
    memory = guest.show()["memory"]
    guest.order("alloc 160M")
    guest.order("free")
    guest.order("fill 32M 5")
    full = charged(guest)
    for cycle in range(2):
        lodge("set", guest.name, "balloon=96M")
        # What the guest doesn't have isn't the host's either, whatever it had touched before.
        assert ram(guest, "Rss") <= memory - 96 * MIB + MIB
        # All but what the guest never had; of 1 GiB, bench/balloon asks for more.
        assert cycle or full - charged(guest) >= 0.95 * 96 * MIB
        lodge("set", guest.name, "balloon=0")
        guest.order("verify 5")


def test_balloon_cycles_leave_memory_as_it_was_and_give_it_back(plain):
    check_balloon_cycles(plain)


@pytest.mark.long
@pytest.mark.parametrize("options", [["--thp", "always"], ["--lock"], ["--merge"], ["--backing", "memfd"]])
def test_balloon_cycles_in_memory_of_every_kind(options):
    with Guest(options=[*options, "--balloon", "stats,deflate-on-oom"]).ready() as guest:
        check_balloon_cycles(guest)


def check_swapping(guest):
    guest.order("fill 48M 7")
    swap_out(guest)
    swapped, notices = ram(guest, "Swap"), interrupts(guest, "HYP")
    assert swapped > 50 * MIB
    guest.order("verify 7")
    assert ram(guest, "Swap") < swapped - 40 * MIB
    # Its kernel was told of a page that wasn't there, did something else, and was told when it was.
    assert interrupts(guest, "HYP") > notices


@pytest.mark.usefixtures("slow_swap")
def test_memory_that_was_swapped_comes_back_as_it_was(plain):
    check_swapping(plain)


@pytest.mark.long
@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.usefixtures("slow_swap")
def test_memory_that_was_swapped_comes_back_on_several_vcpus(cpus):
    with Guest(cpus=cpus, memory="160M").ready() as guest:
        check_swapping(guest)


@pytest.mark.long
def test_locked_memory_is_never_swapped():
    with Guest(memory="160M", options=["--lock"]).ready() as guest:
        guest.order("fill 48M 7")
        swap_out(guest)
        assert ram(guest, "Swap") == 0
        assert ram(guest, "Locked") > 48 * MIB
        guest.order("verify 7")


def test_merged_pages_are_each_guests_own_again_once_written():
    shape = {"memory": "160M", "options": ["--merge"]}
    with merging(), Guest(**shape).ready() as one, Guest(**shape).ready() as two:
        for guest in (one, two):
            guest.order("fill 32M 3")
        for guest in (one, two):
            eventually("the pattern is merged", lambda guest=guest: ram(guest, "KSM") > 32 * MIB)
            assert ksm_stat(guest)["ksm_merging_pages"] > 32 * MIB / 4096
        stop_merging()
        merged = ram(one, "KSM")
        one.order("verify 3")
        one.order("refill 4")
        one.order("verify 4")
        two.order("verify 3")
        # Not all of the pattern was merged yet: KSM passes pages over that it didn't merge at first.
        assert ram(one, "KSM") < merged - 8 * MIB


@pytest.mark.long
def test_guests_that_did_not_ask_for_it_are_not_merged():
    with merging(), Guest().ready() as one, Guest(options=["--merge"]).ready() as two:
        for guest in (one, two):
            guest.order("fill 32M 3")
        full_scans(3)
        assert ksm_stat(one)["ksm_merging_pages"] == 0
        assert ram(one, "KSM") == 0


MARK = b"what one guest gave up, another must not see"
# 256 of them, doubled 11 times.
WRITE_MARKS = ("sh i=0; while [ $i -lt 256 ]; do echo '" + MARK.decode() + "'; i=$((i+1)); done >/tmp/marks; "
               "for i in 1 2 3 4 5 6 7 8 9 10 11; do cat /tmp/marks /tmp/marks >/tmp/more; mv /tmp/more /tmp/marks; done")


def test_pages_that_a_guest_gave_up_keep_nothing_of_what_was_in_them(plain):
    plain.order(WRITE_MARKS)
    marks = occurrences(plain, MARK)
    assert marks > 500000
    plain.order("sh rm /tmp/marks")
    # All but a little of what is free, of which the guest takes last what became free first.
    lodge("set", plain.name, f"balloon={free_in_guest(plain) // MIB - 6}M", check=False)
    assert occurrences(plain, MARK) < marks * 0.02
    # Nor do they come back when the balloon gives the pages back, here or in another guest.
    lodge("set", plain.name, "balloon=0")
    with Guest(kernel_path=bare("touch"), memory="96M", append="touch=64") as other:
        other.expect("bare: touched")
        assert occurrences(other, MARK) == 0
    plain.order("alloc 64M")
    assert occurrences(plain, MARK) < marks * 0.02


def test_what_was_prefaulted_is_there():
    with Guest(kernel_path=bare("halt"), memory="128M", options=["--prefault"]) as guest:
        assert ram(guest, "Rss") >= 0.97 * 128 * MIB


def test_hugetlb_memory_comes_from_the_hosts_pool_and_goes_back(huge_pages):
    huge_pages(150)
    with Guest(options=["--backing", "hugetlb"]).ready() as guest:
        assert ram(guest, "Private_Hugetlb") > 20 * MIB
        guest.order("fill 64M 9")
        guest.order("verify 9")
    done = lodge("run", "-d", "--kernel", "/nonexistent", "--backing", "hugetlb", "--memory", "4G", check=False)
    assert done.returncode == 2
    assert re.search("kernel", done.stderr)
