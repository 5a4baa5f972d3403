# SPDX-License-Identifier: Apache-2.0
"""lodged shares memory between guests; the witness is the kernel: the files of the guests' cgroups, and of DAMON."""

import contextlib
import itertools
import json
import pathlib
import re
import subprocess
import time

import pytest

from governing import governor
from guests import Guest, RUNTIME, bare, eventually, lodge
from memory import MIB, charged, group
from pressure import slice_limit

DAMON = pathlib.Path("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds")


def record():
    return json.loads((RUNTIME / ".lodged.record.json").read_text(encoding="utf-8"))


def balloon(guest):
    return guest.show()["balloon"]["target"]


def waits(pid):
    """How often a process has gone to sleep by itself."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])


def test_on_an_idle_host_it_wakes_once_in_ten_seconds_and_wakes_nobody():
    with Guest(kernel_path=bare("halt"), memory="64M") as one, Guest(kernel_path=bare("halt"), memory="64M"):
        with governor("--interval", "10") as process:
            eventually("it has taken its first turn", (RUNTIME / ".lodged.record.json").exists, 30)
            time.sleep(2)
            before, guest_before = waits(process.pid), waits(one.pid)
            turns = set()
            end = time.monotonic() + 42
            while time.monotonic() < end:
                turns.add(record()["time_ms"])
                time.sleep(0.5)
            # That of the first look, and one each ten seconds.
            assert 4 <= len(turns) <= 6 and all(later - turn > 9900 for turn, later in itertools.pairwise(sorted(turns))), turns
            # It sleeps until the next turn, and may have to wait for the kernel within one.
            assert waits(process.pid) - before <= 2 * len(turns)
            assert waits(one.pid) == guest_before
            assert not DAMON.exists() or int(DAMON.read_text()) == 0


def test_guests_that_wait_for_memory_wake_it():
    with slice_limit(64 * MIB), governor("--interval", "3600"):
        # The first turn is past, and the next would be in an hour.
        eventually("it has taken its first turn", (RUNTIME / ".lodged.record.json").exists, 30)
        before = record()["time_ms"]
        with Guest(kernel_path=bare("touch"), memory="160M", append="touch=150"):
            eventually("it looks again", lambda: record()["time_ms"] > before, 60)


def test_memory_that_a_guest_does_not_use_is_taken_by_its_balloon_and_given_back():
    keeping = ["--balloon", "stats,deflate-on-oom"]  # free pages aren't reported, so the host has to ask
    with slice_limit(208 * MIB), Guest(memory="160M", options=keeping).ready() as idle:
        idle.order("fill 80M 1")
        idle.order("free")
        before = charged(idle)
        with governor(), Guest(memory="160M").ready() as busy:
            busy.order("fill 88M 2")
            eventually("the balloon is used", lambda: balloon(idle) > 0, 60)
            eventually("it has given memory back", lambda: charged(idle) < before - 16 * MIB, 60)
            assert any(d["guest"] == idle.name and "taken by its balloon" in d["text"] for d in record()["decisions"])
            busy.order("verify 2")
            busy.__exit__()
            eventually("the balloon is let go of", lambda: balloon(idle) == 0, 120)


def test_a_balloon_that_somebody_has_set_stays_as_it_is():
    with slice_limit(208 * MIB), Guest(memory="160M", options=["--balloon", "stats,deflate-on-oom"]).ready() as theirs:
        lodge("set", theirs.name, "balloon=16M")
        with governor(), Guest(memory="160M").ready() as busy:
            busy.order("fill 88M 2")
            eventually("it has been seen", lambda: any(g["name"] == busy.name for g in record()["guests"]), 60)
            time.sleep(5)
            assert balloon(theirs) == 16 * MIB


def test_what_guests_use_is_protected_and_a_governor_that_ends_throttles_nobody():
    with slice_limit(208 * MIB), contextlib.ExitStack() as stack:
        guests = [stack.enter_context(Guest(kernel_path=bare("touch"), memory="128M", append="touch=110")) for _ in range(2)]
        for guest in guests:
            guest.expect("bare: touched")
        with governor() as process:
            eventually("both are protected", lambda: all(charged(guest, "memory.low") > 0 for guest in guests), 60)
            (group(guests[0]) / "memory.high").write_text(str(512 * MIB))
            process.terminate()
            process.wait(30)
        assert (group(guests[0]) / "memory.high").read_text() == "max\n"
        assert not DAMON.exists() or int(DAMON.read_text()) == 0


def test_a_guest_that_never_answers_holds_up_nobody():
    with slice_limit(208 * MIB), Guest(memory="160M").ready() as stuck, Guest(memory="160M").ready() as busy:
        subprocess.run(["kill", "-STOP", str(stuck.pid)], check=True)
        try:
            with governor():
                busy.order("fill 88M 2")
                eventually("the other is looked after", lambda: charged(busy, "memory.low") > 64 * MIB, 60)
        finally:
            subprocess.run(["kill", "-CONT", str(stuck.pid)], check=True)


@pytest.mark.parametrize("words", [["--tax", "100"], ["--tax", "-1"], ["--tax", "7.5"], ["--tax", ""], ["--interval", "0"]])
def test_settings_that_make_no_sense_are_refused(words):
    done = subprocess.run(["lodged", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("lodged: --") and done.stderr.count("\n") == 1, done.stderr
