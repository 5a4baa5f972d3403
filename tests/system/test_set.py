# SPDX-License-Identifier: Apache-2.0
"""`lodge set` and `lodge balloon`, with the kernel's counters as the witness: those of the guest's cgroup,
and those of the guest's own kernel."""

import json
import pathlib
import re
import socket
import subprocess
import time

import pytest

from guests import Guest, RUNTIME, bare, eventually, lodge
from memory import MIB, charged, free_in_guest

USAGE, NOT_FOUND, TIMEOUT, STATE = 2, 3, 8, 9
SLICE = pathlib.Path("/sys/fs/cgroup/lodge.slice")
SWAPS = pathlib.Path("/proc/swaps")


def balloon(guest):
    return json.loads(lodge("balloon", "--json", guest.name).stdout)[0]["balloon"]


def refused(status, *says, args):
    done = lodge("set", *args, check=False)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1, done.stderr
    for word in says:
        assert word in done.stderr, done.stderr


def with_empty_balloon(guest):
    """Once its driver is there."""
    eventually("the balloon has a driver", lambda: guest.show()["balloon"]["driver"])
    lodge("set", guest.name, "balloon=0")


def test_a_balloon_takes_memory_from_the_guest_and_gives_it_back(plain):
    with_empty_balloon(plain)
    plain.order("fill 96M 5")
    plain.order("free")
    free, before = free_in_guest(plain), charged(plain)
    said = lodge("set", plain.name, "balloon=96M").stdout
    assert re.fullmatch(r"balloon: 96M of 96M asked, in [\d.]+ s \([\d.]+[KMG]/s\)\n", said)
    assert free - free_in_guest(plain) > 64 * MIB
    # What the guest filled is the host's again.
    assert charged(plain) < min(before, (256 - 96) * MIB + 32 * MIB)
    assert balloon(plain)["actual"] == balloon(plain)["target"] == 96 * MIB

    said = lodge("set", plain.name, "balloon=0").stdout
    assert re.fullmatch(r"balloon: 0B of 0B asked, in [\d.]+ s \([\d.]+[KMG]/s\)\n", said)
    assert free_in_guest(plain) > free - 20 * MIB
    plain.order("fill 96M 6")
    plain.order("verify 6")
    assert charged(plain) > 96 * MIB
    assert lodge("set", plain.name, "balloon=0").stdout == "balloon: 0B of 0B asked, as before\n"


@pytest.mark.long
def test_a_guest_that_cant_spare_so_much_says_how_far_it_got():
    with Guest(memory="192M").ready() as guest:
        with_empty_balloon(guest)
        guest.order("fill 64M 5")
        done = lodge("set", guest.name, "balloon=160M", check=False)
        assert done.returncode == TIMEOUT
        assert re.fullmatch(rf"lodge: guest {guest.name}: balloon: [\d.]+M of 160M asked, in .*, and nothing more for 5 s: "
                            r"the guest can't spare more\n", done.stderr)
        lodge("set", guest.name, "balloon=0")
        guest.order("verify 5")


@pytest.mark.long
def test_no_wait_returns_at_once(plain):
    with_empty_balloon(plain)
    assert lodge("set", "--no-wait", plain.name, "balloon=32M").stdout == ""
    eventually("the balloon has the size", lambda: balloon(plain)["actual"] == 32 * MIB)


def test_the_size_outlives_a_reset(plain):
    with_empty_balloon(plain)
    lodge("set", plain.name, "balloon=32M")
    plain.send("reboot")
    plain.ready()
    eventually("the balloon has the size again", lambda: balloon(plain)["actual"] == 32 * MIB)


def test_a_guest_without_a_driver_is_not_waited_for():
    with Guest(kernel_path=bare("halt"), memory="8M") as guest:
        began = time.monotonic()
        refused(STATE, "no driver", args=[guest.name, "balloon=4M"])
        assert time.monotonic() - began < 3
        shown = balloon(guest)
        assert (shown["present"], shown["driver"], shown["target"]) == (True, False, 0)


def test_states_that_dont_allow_it():
    with Guest(kernel_path=bare("halt"), memory="8M") as guest:
        before = charged(guest)
        lodge("pause", guest.name)
        for key in ("balloon=1M", "reclaim=1M"):
            refused(STATE, "paused", args=[guest.name, key])
        lodge("resume", guest.name)
        with subprocess.Popen(["lodge", "stop", "--timeout", "60", guest.name]) as stop:
            eventually("it is stopping", lambda: guest.state() == "stopping")
            for key in ("balloon=1M", "reclaim=1M"):
                refused(STATE, "stopping", args=[guest.name, key])
            assert charged(guest) >= before - MIB
            lodge("kill", guest.name)
            stop.wait(60)
        for key in ("balloon=1M", "reclaim=1M"):
            refused(NOT_FOUND, f"no guest named {guest.name}", args=[guest.name, key])


def test_a_guest_that_panicked():
    with Guest(kernel_path=bare("panic"), memory="8M") as guest:
        eventually("it panicked", lambda: guest.state() == "panicked")
        refused(STATE, "panicked", args=[guest.name, "reclaim=1M"])
        lodge("wait", guest.name, check=False)


def test_nonsense_is_refused_with_the_limits_and_changes_nothing(plain):
    with_empty_balloon(plain)
    for value in ("-1M", "257M", "1T", "1X", "1MB", "M", "", "99999999999999999999", "0x10"):
        refused(USAGE, "balloon", "from 0B to 256M", args=[plain.name, f"balloon={value}"])
        refused(USAGE, "reclaim", "from 4K to 256M", args=[plain.name, f"reclaim={value}"])
    refused(USAGE, "from 4K to 256M", args=[plain.name, "reclaim=0"])
    refused(USAGE, "pages", args=[plain.name, "balloon=5000"])
    refused(USAGE, "no key", args=[plain.name, "ballast=1M"])
    refused(USAGE, "KEY=VALUE", args=[plain.name, "balloon"])
    refused(USAGE, "twice", args=[plain.name, "balloon=1M", "balloon=2M"])
    # All or nothing.
    refused(USAGE, "reclaim", args=[plain.name, "balloon=32M", "reclaim=1X"])
    assert balloon(plain)["target"] == 0


def ask(guest, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.connect(str(RUNTIME / guest.name / "control.sock"))
        control.send(json.dumps(request).encode())
        return json.loads(control.recv(65536))


def test_the_vm_process_checks_for_itself(plain):
    with_empty_balloon(plain)
    for size in (4097, 257 * MIB, -1, 1 << 62):
        assert ask(plain, {"verb": "set", "balloon": size})["error"]["code"] == "usage"
    assert balloon(plain)["target"] == 0
    assert ask(plain, {"verb": "set", "balloon": MIB})["result"]["target"] == MIB


def swap_is_there():
    return len(SWAPS.read_text(encoding="ascii").splitlines()) > 1


def test_reclaim_swaps_and_what_was_swapped_comes_back_intact(plain):
    if not swap_is_there():
        pytest.skip("this host has no swap")
    plain.order("fill 128M 9")
    ram, swap = charged(plain), charged(plain, "memory.swap.current")
    said = lodge("set", plain.name, "reclaim=96M").stdout
    got = re.fullmatch(r"reclaim: ([\d.]+)M of 96M asked, in .*; in RAM .* \(before: .*\), swapped .* \(before: .*\)\n", said)
    assert 94 <= float(got[1]) <= 110
    swapped = charged(plain, "memory.swap.current") - swap
    assert swapped > 48 * MIB
    assert ram - charged(plain) > 48 * MIB
    plain.order("verify 9")
    assert plain.state() == "running"


def test_reclaim_says_when_swap_is_full(plain):
    if not swap_is_there():
        pytest.skip("this host has no swap")
    plain.order("fill 128M 9")
    limit = SLICE / plain.name / "memory.swap.max"
    before = limit.read_text(encoding="ascii")
    limit.write_text("16M", encoding="ascii")
    try:
        done = lodge("set", plain.name, "reclaim=128M", check=False)
    finally:
        limit.write_text(before, encoding="ascii")
    assert done.returncode == TIMEOUT
    assert "the kernel took only" in done.stderr and "may swap no more than 16M" in done.stderr
    assert done.stderr.count("\n") == 1
    plain.order("verify 9")


@pytest.mark.long
def test_reclaim_without_swap_takes_what_it_can():
    if not swap_is_there():
        pytest.skip("this host has no swap to switch off")
    devices = [line.split()[0] for line in SWAPS.read_text(encoding="ascii").splitlines()[1:]]
    with Guest().ready() as guest:
        guest.order("fill 64M 9")
        subprocess.run(["swapoff", "-a"], check=True)
        try:
            done = lodge("set", guest.name, "reclaim=128M", check=False)
        finally:
            for device in devices:
                subprocess.run(["swapon", device], check=True)
        assert done.returncode == TIMEOUT
        assert "this host has no swap" in done.stderr
        guest.order("verify 9")


def test_reclaim_needs_a_cgroup():
    with Guest(kernel_path=bare("halt"), memory="8M") as guest:
        # A guest that was started where none could be had says the same; here the group's file is gone.
        control = pathlib.Path("/sys/fs/cgroup/lodge.slice/cgroup.subtree_control")
        promises = {file: file.read_text(encoding="ascii") for name in ("memory.min", "memory.max", "memory.swap.max")
                    for file in SLICE.glob(f"*/{name}")}
        control.write_text("-memory", encoding="ascii")
        try:
            refused(1, "no memory controller", args=[guest.name, "reclaim=1M"])
        finally:
            # Which makes the files anew.
            control.write_text("+memory", encoding="ascii")
            for file, promise in promises.items():
                file.write_text(promise, encoding="ascii")


@pytest.mark.long
def test_statistics_are_asked_for_anew():
    with Guest().ready() as guest:
        with_empty_balloon(guest)
        first = balloon(guest)
        assert {"stats", "reporting", "hinting"} <= set(first["negotiated"])
        assert first["stats_age_ms"] < 1000
        assert 200 * MIB < first["stats"]["total"] <= 256 * MIB
        assert first["stats"]["free"] <= first["stats"]["total"]
        guest.order("alloc 64M")
        assert first["stats"]["free"] - balloon(guest)["stats"]["free"] > 48 * MIB
        row = next(line for line in lodge("balloon").stdout.splitlines() if line.startswith(f"{guest.name} "))
        assert " yes " in row and "reporting" in row
        lodge("pause", guest.name)
        assert balloon(guest)["stats_age_ms"] is not None


@pytest.mark.long
def test_hints_tell_what_is_free_and_give_nothing_back():
    # Linux clears the pages that it names. Those that it has used before it needn't be given anew by the host.
    with Guest(memory="128M", options=["--balloon", "hinting"]).ready() as guest:
        with_empty_balloon(guest)
        guest.order("alloc 48M")
        guest.order("free")
        said = json.loads(lodge("balloon", "--json", "--hints", guest.name).stdout)[0]["balloon"]
        assert 24 * MIB < said["hinted"] <= 128 * MIB and not said["hinting"]
        guest.order("fill 40M 4")
        guest.order("verify 4")
    done = lodge("balloon", "--hints", check=False)
    assert done.returncode == USAGE


def test_the_runtime_directory_leads_to_the_group():
    with Guest(kernel_path=bare("halt"), memory="8M") as guest:
        assert (RUNTIME / guest.name / "cgroup").resolve() == SLICE / guest.name
