# SPDX-License-Identifier: Apache-2.0
"""What a guest is promised is in the kernel, what can't be promised is refused, and what was is kept. The
witness is the kernel: the files of the guests' cgroups, and the guests' own contents."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import pytest

from guests import Guest, RUNTIME, bare, eventually, lodge, names
from memory import MIB, PAGE, charged, group
from pressure import SLICE, ooms, slice_limit

FAILED, USAGE, EXISTS, STATE, REFUSED = 1, 2, 4, 9, 12


def small(**kwargs):
    kwargs.setdefault("memory", "8M")
    return Guest(kernel_path=bare("halt"), **kwargs)


def run(*options, memory="8M", name="refused"):
    return lodge("run", "-d", "--name", name, "--kernel", bare("halt"), "--memory", memory, *options, check=False)


def refused(*options, status=REFUSED, says=(), **kwargs):
    """The start fails with one line that says so, and leaves nothing behind."""
    done = run(*options, **kwargs)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1, done.stderr
    for words in says:
        assert words in done.stderr, done.stderr
    assert not (RUNTIME / "refused").exists() and not (SLICE / "refused").exists()


def number(path):
    text = path.read_text(encoding="ascii").strip()
    return None if text == "max" else int(text)


def promises():
    return json.loads(lodge("host", "--json").stdout)["promises"]


def fits(guest):
    return json.loads(lodge("host", "--json", "--fits", guest, check=False).stdout)


def entries():
    """What the kernel holds of promises: the groups with a process in them."""
    return {path.name: path for path in SLICE.iterdir()
            if path.is_dir() and "populated 1" in (path / "cgroup.events").read_text(encoding="ascii")}


def test_a_promise_is_in_the_files_that_the_kernel_keeps_it_by():
    with small(memory="64M", options=["--guarantee", "16M", "--weight", "250"]) as guest:
        promise = guest.show()["promise"]
        overhead = promise["overhead"]
        assert promise == {"guarantee": 16 * MIB, "memory_limit": 64 * MIB, "overhead": overhead, "weight": 250,
                           "best_effort": False, "cpu_limit": None, "zswap_limit": None,
                           "changed_by_hand": []}
        here = group(guest)
        assert number(here / "memory.min") == 16 * MIB + overhead
        assert number(here / "memory.max") == number(here / "memory.swap.max") == 64 * MIB + overhead
        assert number(here / "memory.oom.group") == 1
        assert number(here / "cpu.weight") == 250
        # Protection reaches the group only through the slice's.
        assert number(SLICE / "memory.min") == 16 * MIB + overhead
        with small() as other:
            assert number(SLICE / "memory.min") == 16 * MIB + overhead + other.show()["promise"]["overhead"]
            said = promises()
            assert said["guests"] == 2
            assert said["worst"] == sum(number(path / "memory.swap.max") for path in entries().values())
        assert number(SLICE / "memory.min") == 16 * MIB + overhead
    assert number(SLICE / "memory.min") == 0


def test_what_somebody_else_changes_is_said_and_not_fought():
    with small(memory="64M", options=["--guarantee", "16M"]) as guest:
        overhead = guest.show()["promise"]["overhead"]
        here = group(guest)
        lodge("set", guest.name, "guarantee=24M", "memory-limit=48M")
        assert promises()["changed_by_hand"] == guest.show()["promise"]["changed_by_hand"] == []
        (here / "memory.min").write_text(str(8 * MIB + overhead), encoding="ascii")
        (here / "memory.max").write_text(str(32 * MIB + overhead), encoding="ascii")
        said = guest.show()["promise"]
        assert [(one["file"], one["now"], one["written"]) for one in said["changed_by_hand"]] == [
            ("memory.min", 8 * MIB + overhead, 24 * MIB + overhead), ("memory.max", 32 * MIB + overhead, 48 * MIB + overhead)]
        # It's what is promised from then on.
        assert said["guarantee"] == 8 * MIB and said["memory_limit"] == 32 * MIB
        assert f"changed by hand   memory.max is {32 + overhead // MIB}M, lodge wrote {48 + overhead // MIB}M\n" in lodge("show", guest.name).stdout
        (SLICE / "memory.min").write_text("0", encoding="ascii")
        said = lodge("host").stdout
        assert f"  changed by hand {guest.name}: memory.min is " in said
        assert f"  changed by hand lodge.slice: memory.min is 0B, lodge wrote {8 + overhead // MIB}M\n" in said
        # Setting it again makes it lodge's own, and the slice protects what it should.
        lodge("set", guest.name, "guarantee=24M", "memory-limit=48M")
        assert promises()["changed_by_hand"] == []
        assert number(SLICE / "memory.min") == 24 * MIB + overhead
    with slice_limit(512 * MIB), small() as guest:
        changed = promises()["changed_by_hand"]
        assert [(one["guest"], one["file"], one["now"]) for one in changed] == [(None, "memory.max", 512 * MIB)]


def test_limits_are_in_the_files_that_the_kernel_holds_the_guest_to():
    with small(options=["--cpu-limit", "150%", "--zswap-limit", "4M"]) as guest:
        here = group(guest)
        assert (here / "cpu.max").read_text(encoding="ascii") == "150000 100000\n"
        assert number(here / "memory.zswap.max") == 4 * MIB
        said = guest.show()["promise"]
        assert said["cpu_limit"] == 150 and said["zswap_limit"] == 4 * MIB
        assert "cpu limit         150%\n" in lodge("show", guest.name).stdout
        assert lodge("set", guest.name, "zswap-limit=0", "cpu-limit=none").stdout == \
            "cpu-limit: none (before: 150%)\nzswap-limit: 0B (before: 4M)\n"
        assert (here / "cpu.max").read_text(encoding="ascii") == "max 100000\n" and number(here / "memory.zswap.max") == 0
        for words in (["cpu-limit=0%"], ["cpu-limit=150"], ["cpu-limit=10001%"], ["cpu-limit=max"], ["zswap-limit=4097"], ["zswap-limit=-1"],
                      ["zswap-limit=all"], ["cpu-limit=50%", "zswap-limit=x"]):
            done = lodge("set", guest.name, *words, check=False)
            assert done.returncode == USAGE and done.stderr.count("\n") == 1, done.stderr
        assert guest.show()["promise"]["cpu_limit"] is None
    refused("--cpu-limit", "0%", status=USAGE, says=["--cpu-limit: \"0%\" is not from 1% to 10000%"])
    refused("--zswap-limit", "some", status=USAGE, says=["--zswap-limit: \"some\" is not a size"])


def test_a_guest_with_a_limit_of_processors_gets_no_more():
    with Guest(kernel_path=bare("spin"), memory="8M", options=["--cpu-limit", "20%"]) as guest:
        stat = group(guest) / "cpu.stat"
        eventually("it is throttled", lambda: int(re.search(r"nr_throttled (\d+)", stat.read_text(encoding="ascii"))[1]) > 2)


def test_more_than_ram_and_swap_is_refused_with_the_sum():
    with small(memory="1G") as guest:
        overhead = guest.show()["promise"]["overhead"] // MIB
        said = promises()
        left = said["left"] // MIB
        refused(memory=f"{left + 1}M", says=[f"{1024 + overhead}M for 1 guest + {left + 1}M memory",
                                             f"of {said['ram'] // MIB}M of RAM", f"and {said['swap'] // MIB}M of swap",
                                             "more swap or RAM would do, or a memory of "])
        assert names() == [guest.name]
        # What would do does.
        assert fits(f"{left + 1}M")["fits"] == 0
        smaller = re.search(r"a memory of (\d+M)", fits(f"{left + 1}M")["reason"])[1]
        assert fits(smaller) == {"fits": 1, "reason": None}
        with small(memory=smaller):
            refused()


def test_more_guarantees_than_ram_are_refused_with_the_sum():
    ram = promises()["ram"] // MIB
    refused("--guarantee", f"{ram}M", memory=f"{ram}M", says=["its guarantee can't be promised", f"{ram}M guarantee +", "to swap through",
                                                             "more RAM would do, or a guarantee of "])
    with small(memory="3G", options=["--guarantee", "2G"]):
        refused("--guarantee", "2G", memory="2G", says=["for 1 guest + 2048M guarantee"])
        assert fits("512M,guarantee=256M")["fits"] >= 1


def test_thirty_two_starts_at_once_and_exactly_those_that_fit_get_in():
    fit = fits("256M")["fits"]
    assert 8 < fit < 32
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        done = list(pool.map(lambda n: run(memory="256M", name=f"c{n}"), range(32)))
    try:
        statuses = [one.returncode for one in done]
        assert statuses.count(0) == fit and statuses.count(REFUSED) == 32 - fit, [one.stderr for one in done]
        assert len(entries()) == len(names()) == fit
        said = promises()
        assert said["worst"] <= said["ram"] + said["swap"]
    finally:
        lodge("kill", *names())
    assert promises()["guests"] == 0 and not entries()


def test_starts_that_are_killed_leave_no_entry():
    rng = random.Random(7)
    for turn in range(12):
        with subprocess.Popen(["lodge", "run", "-d", "--name", f"k{turn}", "--kernel", bare("halt"), "--memory", "256M"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as start:
            time.sleep(rng.uniform(0, 0.25))
            start.kill()
    # Of those that were killed some run: their entries are theirs. The others have none that counts.
    running = names()
    said = promises()
    assert said["guests"] == len(entries()) == len(running)
    assert said["worst"] == sum(number(path / "memory.swap.max") for path in entries().values())
    for name in running:
        lodge("kill", name)
    with small() as guest:
        # And none that is there at all once the next has come.
        assert [path.name for path in SLICE.iterdir() if path.is_dir()] == [guest.name]
        assert number(SLICE / "memory.min") == number(group(guest) / "memory.min")


def test_a_vm_process_that_is_killed_takes_its_promise_with_it():
    left = promises()["left"]
    with small(memory="1G") as guest:
        assert promises()["left"] < left - 1024 * MIB
        os.kill(guest.pid, signal.SIGKILL)
        eventually("the promise is free again", lambda: promises()["left"] > left - 16 * MIB)


def test_best_effort_is_promised_nothing_and_gives_way_first():
    with small(memory="3G"), small(memory="2G", options=["--best-effort"]) as guest:
        here = group(guest)
        assert number(here / "memory.swap.max") == number(here / "memory.min") == 0
        assert pathlib.Path(f"/proc/{guest.pid}/oom_score_adj").read_text(encoding="ascii") == "1000\n"
        assert guest.show()["promise"]["best_effort"] is True
        said = promises()
        assert said["guests"] == 1 and said["best_effort"] == 1
        done = lodge("set", guest.name, "guarantee=8M", check=False)
        assert done.returncode == STATE and "best effort" in done.stderr
    refused("--best-effort", "--guarantee", "1M", status=USAGE, says=["promised nothing"])


def test_best_effort_is_ended_before_a_promise_is_broken():
    with slice_limit(160 * MIB):
        with Guest(kernel_path=bare("touch"), memory="96M", append="touch=88", options=["--guarantee", "96M"]) as promised:
            promised.expect("bare: touched")
            with Guest(kernel_path=bare("touch"), memory="128M", append="touch=120", options=["--best-effort"]) as other:
                eventually("it is gone", lambda: not pathlib.Path(f"/proc/{other.pid}").exists())
            assert promised.state() == "running"
            assert charged(promised) >= 88 * MIB and charged(promised, "memory.swap.current") == 0
            assert ooms(group(promised)) == (0, 0)


def test_a_guarantee_stays_in_ram_while_neighbours_take_all_the_rest():
    """All guests touch all their memory, which can't be compressed, at twice the RAM there is for them."""
    with slice_limit(208 * MIB), contextlib.ExitStack() as stack:
        promised = stack.enter_context(Guest(memory="128M", options=["--guarantee", "128M"]).ready())
        others = [stack.enter_context(Guest(memory="160M").ready()) for _ in range(2)]
        before = ooms(SLICE)
        promised.order("fill 48M 1")
        lowest = charged(promised)
        assert charged(promised, "memory.swap.current") == 0
        for seed, guest in enumerate(others, 2):
            guest.order(f"fill 88M {seed}")
            lowest = min(lowest, charged(promised))
        # The neighbours have had to swap, the guest with the guarantee hasn't.
        assert sum(charged(guest, "memory.swap.current") for guest in others) > 96 * MIB
        assert charged(promised, "memory.swap.current") == 0
        assert lowest >= 48 * MIB
        for seed, guest in enumerate([promised, *others], 1):
            guest.order(f"verify {seed}")
        assert ooms(SLICE) == before
        for name, path in entries().items():
            assert ooms(path) == (0, 0), name


def test_a_promise_is_changed_whole_or_not_at_all():
    with small(memory="512M", options=["--guarantee", "64M"]) as guest:
        overhead = guest.show()["promise"]["overhead"]
        here = group(guest)
        said = lodge("set", guest.name, "guarantee=128M", "weight=300", "memory-limit=256M").stdout
        assert said == "guarantee: 128M (before: 64M)\nmemory-limit: 256M (before: 512M)\nweight: 300 (before: 100)\n"
        assert number(here / "memory.min") == number(SLICE / "memory.min") == 128 * MIB + overhead
        assert number(here / "memory.max") == 256 * MIB + overhead
        assert number(here / "memory.swap.max") == 512 * MIB + overhead
        assert number(here / "cpu.weight") == 300
        before = [number(here / file) for file in ("memory.min", "memory.max", "cpu.weight")]
        for status, words in ((USAGE, ["guarantee=257M"]), (USAGE, ["memory-limit=64M"]), (USAGE, ["guarantee=513M"]),
                              (USAGE, ["weight=0"]), (USAGE, ["weight=10001"]), (USAGE, ["weight=-1"]), (USAGE, ["weight=1K"]),
                              (USAGE, ["guarantee=-1M"]), (USAGE, ["guarantee=4095"]), (USAGE, ["weight=9", "guarantee=513M"])):
            done = lodge("set", guest.name, *words, check=False)
            assert done.returncode == status and done.stderr.count("\n") == 1, done.stderr
        with small(memory="3G", options=["--guarantee", "3G"]):
            done = lodge("set", guest.name, "weight=9", "memory-limit=512M", "guarantee=512M", check=False)
            assert done.returncode == REFUSED and "for 1 guest + 512M guarantee" in done.stderr
        assert [number(here / file) for file in ("memory.min", "memory.max", "cpu.weight")] == before
        # The ledger is the kernel's, so a host that shows it shows this.
        assert promises()["beyond_limits"] == 256 * MIB


def test_a_limit_is_reached_by_swapping_and_loses_nothing():
    with Guest(memory="256M").ready() as guest:
        overhead = guest.show()["promise"]["overhead"]
        guest.order("fill 160M 4")
        lodge("set", guest.name, "memory-limit=96M")
        assert charged(guest) <= 96 * MIB + overhead
        assert charged(guest, "memory.swap.current") > 64 * MIB
        guest.order("verify 4")
        assert charged(guest) <= 96 * MIB + overhead
        assert guest.state() == "running"


def test_swap_that_goes_away_puts_promises_in_danger_and_admits_nobody():
    swaps = pathlib.Path("/proc/swaps").read_text(encoding="ascii").splitlines()[1:]
    if not swaps:
        pytest.skip("this host has no swap to take away")
    with small(memory="3G"), small(memory="1G"):
        assert promises()["lacking"] == {"ram": 0, "total": 0, "swap": 0, "protection": 0}
        subprocess.run(["swapoff", "-a"], check=True)
        try:
            said = promises()
            assert said["swap"] == 0 and said["lacking"]["total"] == said["worst"] - said["ram"] > 0
            assert "IN DANGER" in lodge("host").stdout
            refused(says=["no swap on a disk", "more swap or RAM would do"])
        finally:
            for line in swaps:
                subprocess.run(["swapon", line.split()[0]], check=True)
        assert "IN DANGER" not in lodge("host").stdout


def test_nothing_is_promised_beside_a_group_that_has_no_limit():
    with small():
        stranger = SLICE / "stranger"
        stranger.mkdir()
        with subprocess.Popen(["sleep", "1000"]) as sleeper:
            try:
                (stranger / "cgroup.procs").write_text(str(sleeper.pid), encoding="ascii")
                refused(says=["lodge.slice/stranger", "memory.max"])
                assert promises()["unlimited"] == "stranger"
                assert run("--best-effort", name="effort").returncode == 0
                lodge("kill", "effort")
            finally:
                sleeper.kill()
        stranger.rmdir()


def test_without_control_groups_nothing_is_promised_and_only_best_effort_runs():
    def without(*options):
        command = ["lodge", "run", "-d", "--name", "alone", "--kernel", bare("halt"), "--memory", "8M", *options]
        return subprocess.run(["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup && exec "$@"', "sh", *map(str, command)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    done = without()
    assert done.returncode == FAILED and done.stderr.count("\n") == 1
    assert "version 2 of cgroups is not mounted" in done.stderr and "--best-effort" in done.stderr
    assert not (RUNTIME / "alone").exists()
    assert without("--best-effort").returncode == 0
    shown = json.loads(lodge("show", "--json", "alone").stdout)
    assert shown["cgroup"] is None and shown["promise"] is None
    lodge("kill", "alone")


@pytest.mark.parametrize("cpus, memory", [(1, 64), (1, 1024), (8, 64)])
def test_a_guest_that_uses_all_its_memory_costs_no_more_than_its_overhead(cpus, memory):
    options = {"memory": f"{memory}M", "cpus": cpus, "append": f"touch={memory - 6}"}
    with Guest(kernel_path=bare("touch"), **options) as guest:
        guest.expect("bare: touched")
        parts = guest.show()["memory_parts"]
        overhead = guest.show()["promise"]["overhead"]
        cost = charged(guest) - parts["private"]
        # Page tables for what isn't touched, too.
        assert cost + (6 * MIB // PAGE * 16) <= overhead
        # And the table isn't wildly too careful either.
        assert overhead <= cost + 5 * MIB


def test_what_a_guest_can_never_be_is_said_at_once():
    refused("--guarantee", "9M", status=USAGE, says=["guarantee: 9M are more than the guest's memory (8M)"])
    refused("--guarantee", "-1M", status=USAGE, says=["--guarantee"])
    refused("--guarantee", "4097", status=USAGE, says=["no multiple of 4096"])
    for weight in ("0", "10001", "-3", "many"):
        refused("--weight", weight, status=USAGE, says=["weight"])
    for text in ("", "1X", "1G,", "1G,guarantee", "1G,guarantee=2G", "1G,cpus=0", "1G,colour=red"):
        assert lodge("host", "--fits", text, check=False).returncode == USAGE, text
