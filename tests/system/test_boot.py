# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernels boot, by both ways of loading them, with 1 to 8 vCPUs and 64 MiB to over 4 GiB."""

import re

import pytest

from guests import Guest, lodge, initrd, kernel

SIZES = {"64M": 64, "128M": 128, "5G": 5120}
PLAIN = {"append": "lodge.first=1 lodge.last=" + "x" * 300}


def check_resources(guest, cpus, mib):
    assert guest.order("cpus")[0].split()[0] == str(cpus)
    _, meminfo = guest.order("meminfo")
    total = int(re.search(r"MemTotal:\s+(\d+)", "\n".join(meminfo))[1])
    # The kernel keeps its image and its page descriptors out of MemTotal.
    assert max(0, mib * 1024 - 80 * 1024 - mib * 1024 // 25) < total <= mib * 1024


def further(*values):
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(("flavour", "boot", "cpus"), [
    ("6.1-cloud", "direct", 2), ("6.12-cloud", "direct", 1), ("6.12-cloud", "unpack", 8), ("6.12-generic", "unpack", 2),
    further("6.1-cloud", "unpack", 1), further("6.1-cloud", "unpack", 8), further("6.12-cloud", "unpack", 2),
    further("6.12-generic", "direct", 1), further("6.12-generic", "unpack", 8)])
def test_each_kernel_boots_each_way_and_finds_what_it_was_given(flavour, boot, cpus):
    with Guest(flavour, cpus=cpus, options=["--boot", boot]).ready() as guest:
        assert guest.show()["boot"]["mode"] == boot
        check_resources(guest, cpus, 256)
        assert [f"vcpu{i}" in guest.threads() for i in range(cpus)] == [True] * cpus
        first, second = (guest.order("rng 32")[1][0] for _ in range(2))
        assert re.fullmatch(r"[0-9a-f]{64}", first) and first != second


# Debian's kernels take 44 MiB of 64 for themselves before they start to allocate, and the files of
# tracefs take most of the rest, so that they run out of memory, whoever boots them. Locked down, the
# kernel makes none (docs/boot.md).
SMALL = "lockdown=confidentiality"


@pytest.mark.parametrize(("flavour", "memory", "append"), [("6.1-cloud", "64M", SMALL), further("6.12-cloud", "128M", "")])
def test_little_memory_is_enough(flavour, memory, append):
    with Guest(flavour, memory=memory, append=append).ready() as guest:
        check_resources(guest, 1, SIZES[memory])


def test_memory_above_4_gib_can_be_used():
    with Guest(memory="5G").ready() as guest:
        check_resources(guest, 1, SIZES["5G"])
        assert re.search(r"^\s*100000000-", "\n".join(guest.order("sh cat /proc/iomem")[1]), re.MULTILINE)
        # Linux gives out the highest memory first.
        guest.order("fill 64M 7")
        guest.order("verify 7")


def test_the_vmlinux_itself_boots(tmp_path):
    with Guest() as guest:
        image = guest.show()["boot"]["image"]
        vmlinux = tmp_path / "vmlinux"
        with open(image, "rb") as cached:
            vmlinux.write_bytes(cached.read())
    with Guest(kernel_path=vmlinux, initrd_path=initrd("6.12-cloud")).ready() as guest:
        check_resources(guest, 1, 256)


def test_the_command_line_arrives_whole(plain):
    result, body = plain.order("cmdline")
    assert PLAIN["append"] in result + "".join(body)


def test_the_foreground_prints_the_console_and_returns_the_status():
    done = lodge("run", "--kernel", kernel("6.12-cloud"), "--initrd", initrd("6.12-cloud"), "--append",
                 "lodge.orders=\"uname;poweroff\"")
    assert done.returncode == 0
    assert "lodge-guest: ready" in done.stdout


def test_the_boot_log_has_no_complaints(plain):
    """About what lodge gives a guest, that is: the lab's emulated processor has some of its own."""
    log = "\n".join(plain.order("dmesg 1000")[1])
    complaints = [line for line in log.splitlines()
                  if re.search(r"ACPI (BIOS )?(Error|Warning)|PCI: .*(fatal|invalid)|\bBUG:|virtio.*(fail|error)", line)]
    assert not complaints
