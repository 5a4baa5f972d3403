# SPDX-License-Identifier: Apache-2.0
"""What lodge says of a guest's memory is what the host's kernel says, which each test reads for itself."""

import contextlib
import ctypes
import json
import os
import pathlib
import time

import pytest

from cost import hush, mappings, split_by_ram, total
from guests import Guest, bare, eventually, lodge

MIB = 1 << 20
SUMMANDS = ["private", "page_cache", "merged", "swapped", "ballooned", "reported_free", "untouched"]
KSM = pathlib.Path("/sys/kernel/mm/ksm")
HUGE_POOL = pathlib.Path("/proc/sys/vm/nr_hugepages")
CGROUPS = pathlib.Path("/sys/fs/cgroup")

SYS_PIDFD_OPEN = 434
SYS_PROCESS_MADVISE = 440
MADV_PAGEOUT = 21


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def page_out(guest, size):
    """Has the kernel swap out what is in the first bytes of the guest's RAM, as reclaim would."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(SYS_PIDFD_OPEN, guest.pid, 0)
    vector = Iovec(guest.show()["ram"][0]["hva"], size)
    done = libc.syscall(ctypes.c_long(SYS_PROCESS_MADVISE), pidfd, ctypes.byref(vector),
                        ctypes.c_size_t(1), MADV_PAGEOUT, 0)
    assert done > 0, os.strerror(ctypes.get_errno())
    os.close(pidfd)


def within_1_percent(said, kernel):
    return abs(said - kernel) <= kernel / 100


def figure(maps, *names):
    return 1024 * sum(total(maps, name) for name in names)


def check_guest(parts, show):
    assert sum(parts[name] for name in SUMMANDS) == parts["guest"] == show["memory"]
    assert parts["private"] + parts["page_cache"] + parts["merged"] - parts["merged_zero"] == parts["resident"]


def check_process(guest):
    """The parts of a guest that does nothing, once they agree with smaps; the kernel may be swapping still."""
    show = guest.show()
    parts = show["memory_parts"]
    check_guest(parts, show)
    maps = mappings(guest.pid)
    resident = figure(maps, "Rss", "Private_Hugetlb", "Shared_Hugetlb")
    assert within_1_percent(parts["resident"] + parts["vmm"], resident)
    assert within_1_percent(parts["swapped"] + parts["vmm_swapped"], figure(maps, "Swap"))
    ram, own = split_by_ram(guest)
    assert within_1_percent(parts["resident"], figure(ram, "Rss", "Private_Hugetlb", "Shared_Hugetlb"))
    assert within_1_percent(parts["vmm"], figure(own, "Rss"))
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{guest.pid}/status").read_text().splitlines())
    assert parts["page_tables"] == int(status["VmPTE"].split()[0]) * 1024
    return parts


@contextlib.contextmanager
def huge_pages(n):
    before = HUGE_POOL.read_text()
    HUGE_POOL.write_text(str(n))
    try:
        yield
    finally:
        HUGE_POOL.write_text(before)


@contextlib.contextmanager
def ksm_at_work():
    """KSM in a hurry; everything is un-merged afterwards."""
    before = {name: (KSM / name).read_text() for name in ("run", "pages_to_scan", "sleep_millisecs")}
    for name, value in (("pages_to_scan", "20000"), ("sleep_millisecs", "10"), ("run", "1")):
        (KSM / name).write_text(value)
    try:
        yield
    finally:
        (KSM / "run").write_text("2")
        for name, value in before.items():
            (KSM / name).write_text(value)


def full_scans():
    return int((KSM / "full_scans").read_text())


def test_the_parts_of_a_guest_are_its_process():
    with Guest().ready() as guest:
        hush(guest)
        guest.order("fill 32M 1")
        parts = check_process(guest)
        assert parts["private"] > 32 * MIB
        assert parts["page_cache"] > 4 * MIB
        assert parts["swapped"] == 0


def test_swapped_memory_is_a_part():
    with Guest().ready() as guest:
        hush(guest)
        guest.order("fill 64M 2")
        before = check_process(guest)
        page_out(guest, 256 * MIB)
        parts = check_process(guest)
        assert parts["swapped"] > 48 * MIB
        assert parts["private"] < before["private"] - 48 * MIB
        guest.order("verify 2")
        assert check_process(guest)["swapped"] < 16 * MIB


def test_a_memory_file_is_the_guest_s_own_memory():
    with Guest(options=("--backing", "memfd")).ready() as guest:
        hush(guest)
        guest.order("fill 32M 3")
        parts = check_process(guest)
        assert parts["private"] > 32 * MIB
        assert parts["page_cache"] == 0


def test_huge_pages_that_are_set_aside_are_counted():
    with huge_pages(160), Guest(options=("--backing", "hugetlb")).ready() as guest:
        hush(guest)
        guest.order("fill 32M 4")
        parts = check_process(guest)
        assert parts["hugetlb"] == parts["private"] > 32 * MIB


def test_merged_memory_is_a_part():
    with Guest(options=("--merge",)).ready() as first, Guest(options=("--merge",)).ready() as second, ksm_at_work():
        for guest in (first, second):
            hush(guest)
            guest.order("fill 32M 5")
        start = full_scans()
        eventually("KSM looks at everything three times", lambda: full_scans() >= start + 3)
        (KSM / "run").write_text("0")
        for guest in (first, second):
            parts = check_process(guest)
            assert parts["merged"] > 24 * MIB
            merged = figure(mappings(guest.pid), "KSM")
            zero = guest.show()["ksm"]["zero_pages"] * 4096
            assert within_1_percent(parts["merged"], merged + zero)


def own_group(guest):
    """The directory of the guest's control group."""
    for line in pathlib.Path(f"/proc/{guest.pid}/cgroup").read_text().splitlines():
        if line.startswith("0::") and line.endswith(f"/lodge.slice/{guest.name}"):
            return CGROUPS / line[len("0::/"):]
    return None


def group_figures(group):
    figures = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    figures["current"] = (group / "memory.current").read_text()
    return {name: int(value) for name, value in figures.items()}


def test_the_parts_of_a_guest_are_its_control_group():
    with Guest().ready() as guest:
        group = own_group(guest)
        if group is None:
            assert guest.show()["cgroup"] is None
            pytest.skip("guests have no control groups here")
        hush(guest)
        guest.order("fill 64M 6")
        for swapped in (False, True):
            if swapped:
                page_out(guest, 256 * MIB)
                time.sleep(2)
            show = guest.show()
            kernel = group_figures(group)
            said, parts = show["cgroup"], show["memory_parts"]
            assert said["anon"] + said["file"] + said["kernel"] + said["other"] == said["current"]
            assert within_1_percent(said["current"], kernel["current"])
            assert said["kvm_page_tables"] == parts["kvm_page_tables"] == kernel["sec_pagetables"] > 0
            # By process and by group the kernel counts in different places; what it finds is the same.
            own = figure(split_by_ram(guest)[1], "Anonymous")
            slack = kernel["current"] / 100
            assert abs(parts["private"] + parts["merged"] + own - kernel["anon"]) <= slack
            assert abs(said["swap"] - parts["swapped"] - parts["vmm_swapped"]) <= slack


def test_many_guests_are_shown_at_once():
    def idle():
        return Guest(kernel_path=bare("halt"), memory="8M")

    with idle() as first, idle() as second:
        names = {first.name, second.name}
        both = json.loads(lodge("show", first.name, second.name, "--json").stdout)
        everyone = json.loads(lodge("show", "--all", "--json").stdout)
        assert [guest["name"] for guest in both] == [first.name, second.name]
        assert {guest["name"] for guest in everyone} == names
        for guest in both:
            check_guest(guest["memory_parts"], guest)
        half = lodge("show", first.name, "nobody", "--json", check=False)
        assert half.returncode == 3 and "no guest named nobody" in half.stderr
        assert [guest["name"] for guest in json.loads(half.stdout)] == [first.name]
        text = lodge("show", "--all").stdout
        assert text.count("guest RAM ") == 2

        host = json.loads(lodge("host", "--json").stdout)
        assert host["guests"]["count"] == 2 and host["guests"]["unknown"] == 0
        for part in ["guest", *SUMMANDS]:
            assert host["guests"][part] == sum(guest["memory_parts"][part] for guest in both), part
        meminfo = pathlib.Path("/proc/meminfo").read_text()
        assert f"{host['memory']['total'] // 1024} kB" in meminfo.splitlines()[0]
        assert "guest RAM       16M" in lodge("host").stdout
