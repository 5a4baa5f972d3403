# SPDX-License-Identifier: Apache-2.0
"""The devices as Linux's own drivers see them, and what becomes of one that a guest abuses."""

import json
import re
import socket
import time

import pytest

from guests import FLAVOURS, RUNTIME, Guest, bare, eventually, lodge


def test_pci_shows_the_virtio_devices():
    with Guest().ready() as guest:
        devices = "\n".join(guest.order("lspci")[1])
        assert re.search(r"00:01\.0 1af4:1043 .*virtio-pci", devices)
        assert re.search(r"00:02\.0 1af4:1044 .*virtio-pci", devices)


def test_interrupts_are_msi_x():
    with Guest().ready() as guest:
        guest.order("rng 16")
        irqs = "\n".join(guest.order("irqs")[1])
        assert re.search(r"PCI-MSIX?.*virtio", irqs)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_random_numbers_come_from_the_host(flavour):
    with Guest(flavour).ready() as guest:
        first, second = (guest.order("rng 32")[0] for _ in range(2))
        assert re.search(r"[0-9a-f]{64}", first) and first != second


def test_the_clock_is_the_hosts():
    with Guest().ready() as guest:
        assert abs(int(re.search(r"\d{9,}", guest.order("time")[0])[0]) - time.time()) < 20
        rtc = guest.order("sh cat /sys/class/rtc/rtc0/since_epoch")[1][0]
        assert abs(int(rtc) - time.time()) < 20


def test_the_terminals_size_arrives():
    with Guest().ready() as guest:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(str(RUNTIME / guest.name / "control.sock"))
            s.sendall(json.dumps({"verb": "console-size", "columns": 91, "rows": 37}).encode())
            assert "result" in json.loads(s.recv(65536))
        eventually("the size is seen", lambda: {"91", "37"} <= set(re.findall(r"\d+", guest.order("winsize")[0])))


def test_the_serial_port_is_a_console_too():
    with Guest(append="console=ttyS0").ready() as guest:
        assert "ttyS0" in guest.order("cmdline")[0] + "".join(guest.order("cmdline")[1])


def test_early_messages_come_over_the_serial_port():
    with Guest(append="earlycon=uart8250,io,0x3f8 loglevel=7") as guest:
        guest.expect(r"Linux version")
        guest.ready()


def test_a_large_amount_of_output_arrives_whole():
    with Guest().ready() as guest:
        _, lines = guest.order("sh seq 1 5000")
        assert lines == [str(i) for i in range(1, 5001)]


@pytest.mark.parametrize(("name", "says"), [("pio", r"\S+"), ("mmio", r"(?i)1af4"), ("irq", r"\S+")])
def test_bare_guests_reach_the_devices(name, says):
    done = lodge("run", "--kernel", bare(name), "--memory", "4M")
    assert done.returncode == 0
    assert re.search(says, done.stdout)


def test_a_bare_guest_panics():
    assert lodge("run", "--kernel", bare("panic"), "--memory", "4M", check=False).returncode == 6


def rng_bar(guest):
    config = guest.order("sh cat /sys/bus/pci/devices/0000:00:02.0/resource")[1][0]
    return int(config.split()[0], 16)


def test_a_device_that_is_driven_out_of_specification_is_lost_alone():
    with Guest(append="iomem=relaxed").ready() as guest:
        bar = rng_bar(guest)
        guest.order("rng 16")
        # The available index far ahead of the ring: queue 0's driver area is at offset 0x28.
        low = int(guest.order(f"mem-read {bar + 0x28:#x} 4")[0].split()[-1], 0)
        high = int(guest.order(f"mem-read {bar + 0x2c:#x} 4")[0].split()[-1], 0)
        available = high << 32 | low
        guest.order(f"mem-write {available + 2:#x} 2 0x7fff")
        guest.order(f"mem-write {bar + 0x3000:#x} 2 0")
        eventually("the device asks for a reset",
                   lambda: int(guest.order(f"mem-read {bar + 0x14:#x} 1")[0].split()[-1], 0) & 0x40)
        # Everything else goes on.
        assert guest.order("echo still here")[0].endswith("still here")
        assert guest.state() == "running"


def test_nonsense_written_to_every_register_hurts_nobody():
    with Guest(append="iomem=relaxed").ready() as guest:
        bar = rng_bar(guest)
        for value in ("0xffffffff", "0", "0xdeadbeef"):
            for offset in [*range(0, 0x40, 4), *range(0x1000, 0x1020, 4), 0x2000, 0x3000]:
                guest.order(f"mem-write {bar + offset:#x} 4 {value}")
        for port in (*range(0x3f9, 0x400), 0x70, 0x71, 0x601):
            guest.order(f"pio-write {port:#x} 1 0x00")
        assert guest.order("echo still here")[0].endswith("still here")
        assert guest.state() == "running"
