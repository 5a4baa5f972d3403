# SPDX-License-Identifier: Apache-2.0
"""What lodge says of a guest's memory is what the host's kernel says, which each test reads for itself."""

import contextlib
import ctypes
import json
import os
import pathlib

import pytest

from cost import hush, kernel_image, mappings, split_by_ram, total
from guests import Guest, bare, lodge
from memory import CGROUPS, MIB, full_scans, merging, stop_merging

SUMMANDS = ["private", "page_cache", "merged", "swapped", "ballooned", "reported_free", "untouched"]
ZSWAP = pathlib.Path("/sys/module/zswap/parameters/enabled")

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


def close(said, kernel, whole):
    """Within 1 % of the whole that both are parts of."""
    return abs(said - kernel) <= whole / 100


def figure(maps, *names):
    return 1024 * sum(total(maps, name) for name in names)


def check_guest(parts, show):
    assert sum(parts[name] for name in SUMMANDS) == parts["guest"] == show["memory"]
    assert parts["private"] + parts["page_cache"] + parts["merged"] - parts["merged_zero"] == parts["resident"]


def check_process(guest):
    """The parts, held to what /proc says of the process."""
    show = guest.show()
    parts = show["memory_parts"]
    check_guest(parts, show)
    maps = mappings(guest.pid)
    ram, own = split_by_ram(guest)
    swapped = figure(maps, "Swap")
    resident = figure(maps, "Rss", "Private_Hugetlb", "Shared_Hugetlb")
    whole = resident + swapped
    assert close(parts["resident"] + parts["vmm"], resident, whole)
    assert close(parts["swapped"] + parts["vmm_swapped"], swapped, whole)
    assert close(parts["resident"], figure(ram, "Rss", "Private_Hugetlb", "Shared_Hugetlb"), whole)
    assert close(parts["vmm"], figure(own, "Rss"), whole)
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{guest.pid}/status").read_text().splitlines())
    assert abs(parts["page_tables"] - int(status["VmPTE"].split()[0]) * 1024) <= 16 * 1024
    return parts


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


def check_group(guest):
    """The same for what the control group says, if guests have groups here."""
    group = own_group(guest)
    show = guest.show()
    said, parts = show["cgroup_memory"], show["memory_parts"]
    if group is None:
        assert said is None and parts["kvm_page_tables"] is None
        assert not (CGROUPS / "lodge.slice").exists()
        return
    kernel = group_figures(group)
    assert said["anon"] + said["file"] + said["kernel"] + said["other"] == said["current"]
    assert close(said["current"], kernel["current"], kernel["current"])
    assert said["kvm_page_tables"] == parts["kvm_page_tables"] == kernel["sec_pagetables"] > 0
    # By process and by group the kernel counts in different places; what it finds is the same.
    whole = kernel["current"] + said["swap"]
    own = figure(split_by_ram(guest)[1], "Anonymous")
    assert close(parts["private"] + parts["merged"] + own, kernel["anon"], whole)
    # A page that was read ahead is charged as memory again, and a swapped one for the process until it's touched.
    swapped = parts["swapped"] + parts["vmm_swapped"]
    # The kernel's image is in a file, of a tmpfs in the lab, whose swapped pages are the process's too, but charged to whoever read them first.
    image = figure(kernel_image(guest), "Swap")
    assert said["swap"] - 0.01 * whole <= swapped <= said["swap"] + kernel["swapcached"] + image + 0.01 * whole


@contextlib.contextmanager
def zswap_on():
    before = ZSWAP.read_text()
    ZSWAP.write_text("Y")
    try:
        yield
    finally:
        ZSWAP.write_text(before)


def test_the_parts_are_what_the_kernel_says_in_ram_in_zswap_and_on_disk():
    with Guest().ready() as guest, zswap_on():
        hush(guest)
        # The pattern can't be compressed, and goes to the disk; a word in each page can.
        guest.order("fill 48M 1")
        guest.order("alloc 32M")
        before = check_process(guest)
        check_group(guest)
        assert before["private"] > 80 * MIB
        assert before["page_cache"] > 4 * MIB
        page_out(guest, 256 * MIB)
        parts = check_process(guest)
        check_group(guest)
        assert parts["swapped"] > before["swapped"] + 64 * MIB
        assert parts["private"] < before["private"] - 64 * MIB
        kernel = group_figures(own_group(guest))
        assert close(parts["zswapped"], kernel["zswapped"], kernel["zswapped"])
        assert 24 * MIB < parts["zswapped"] < parts["swapped"] - 40 * MIB
        guest.order("verify 1")
        assert check_process(guest)["private"] > 48 * MIB


@pytest.mark.long
@pytest.mark.parametrize("backing", ["memfd", "hugetlb"])
def test_other_backings_are_the_guest_s_own_memory(backing, huge_pages):
    if backing == "hugetlb":
        huge_pages(160)
    with Guest(options=("--backing", backing)).ready() as guest:
        hush(guest)
        guest.order("fill 32M 3")
        parts = check_process(guest)
        assert parts["private"] > 32 * MIB
        assert parts["page_cache"] == 0
        assert parts["hugetlb"] == (parts["private"] if backing == "hugetlb" else 0)


@pytest.mark.long
def test_merged_memory_is_a_part():
    with Guest(options=("--merge",)).ready() as first, Guest(options=("--merge",)).ready() as second, merging():
        for guest in (first, second):
            hush(guest)
            guest.order("fill 32M 5")
        full_scans(3)
        stop_merging()
        for guest in (first, second):
            parts = check_process(guest)
            assert parts["merged"] > 24 * MIB
            merged = figure(mappings(guest.pid), "KSM")
            zero = guest.show()["ksm"]["zero_pages"] * 4096
            assert close(parts["merged"], merged + zero, merged + zero)


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
