# SPDX-License-Identifier: Apache-2.0
"""The devices as Linux's own drivers see them, and what becomes of one that a guest abuses."""

import json
import re
import socket
import time

import pytest

from guests import RUNTIME, Guest, bare, eventually, lodge


# Its driver is told to let /dev/mem at the registers of devices.
PLAIN = {"append": "iomem=relaxed"}


def test_pci_shows_the_virtio_devices(plain):
    devices = "\n".join(plain.order("lspci")[1])
    assert re.search(r"00:01\.0 0x1af4:0x1043 .*virtio-pci", devices)
    assert re.search(r"00:02\.0 0x1af4:0x1044 .*virtio-pci", devices)
    assert re.search(r"00:03\.0 0x1af4:0x1045 .*virtio-pci", devices)


def test_interrupts_are_msi_x(plain):
    plain.order("rng 16")
    irqs = "\n".join(plain.order("irqs")[1])
    assert re.search(r"PCI-MSIX?.*virtio", irqs)


def test_the_clock_is_the_hosts(plain):
    assert abs(int(re.search(r"\d{9,}", plain.order("time")[0])[0]) - time.time()) < 20
    rtc = plain.order("sh cat /sys/class/rtc/rtc0/since_epoch")[1][0]
    assert abs(int(rtc) - time.time()) < 20


def test_the_terminals_size_arrives(plain):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(RUNTIME / plain.name / "control.sock"))
        s.sendall(json.dumps({"verb": "console-size", "columns": 91, "rows": 37}).encode())
        assert "result" in json.loads(s.recv(65536))
    eventually("the size is seen", lambda: {"91", "37"} <= set(re.findall(r"\d+", plain.order("winsize")[0])))


def test_a_large_amount_of_output_arrives_whole(plain):
    _, lines = plain.order("sh seq 1 5000")
    assert lines == [str(i) for i in range(1, 5001)]


def test_the_serial_port_is_a_console_too_and_has_early_messages():
    with Guest(append="console=ttyS0 earlycon=uart8250,io,0x3f8 loglevel=7") as guest:
        guest.expect(r"Linux version")
        guest.ready()
        assert "ttyS0" in guest.order("cmdline")[0] + "".join(guest.order("cmdline")[1])


@pytest.mark.parametrize(("name", "says"), [("pio", r"\S+"), ("mmio", r"(?i)1af4"), ("irq", r"\S+")])
def test_bare_guests_reach_the_devices(name, says):
    done = lodge("run", "--kernel", bare(name), "--memory", "4M")
    assert done.returncode == 0
    assert re.search(says, done.stdout)


def test_a_panic_in_the_foreground_gives_its_status():
    assert lodge("run", "--kernel", bare("panic"), "--memory", "4M", check=False).returncode == 6


def rng_bar(guest):
    config = guest.order("sh cat /sys/bus/pci/devices/0000:00:02.0/resource")[1][0]
    return int(config.split()[0], 16)


# Registers of virtio 1.2, 4.1.4.3, and bits of the device status, 2.1.
STATUS, NEEDS_RESET = 0x14, 0x40
OUTSIDE_RAM = 0xb0000000


# After these the device isn't what it was.


def test_nonsense_written_to_every_register_hurts_nobody(plain):
    bar = rng_bar(plain)
    for value in ("0xffffffff", "0", "0xdeadbeef"):
        for offset in [*range(0, 0x40, 4), *range(0x1000, 0x1020, 4), 0x2000, 0x3000]:
            plain.order(f"mem-write {bar + offset:#x} 4 {value}")
    for port in (*range(0x3f9, 0x400), 0x70, 0x71, 0x601):
        plain.order(f"pio-write {port:#x} 1 0x00")
    assert plain.order("echo still here")[0].endswith("still here")
    assert plain.state() == "running"


def test_a_device_that_is_driven_out_of_specification_is_lost_alone(plain):
    bar = rng_bar(plain)

    def write(offset, width, value):
        plain.order(f"mem-write {bar + offset:#x} {width} {value:#x}")

    def status():
        return int(plain.order(f"mem-read {bar + STATUS:#x} 1")[0].split()[-1], 0)

    # A driver that gives the device a queue where there is no memory.
    for value in (0, 1, 3):
        write(STATUS, 1, value)
    write(0x08, 4, 1)
    write(0x0c, 4, 1)  # VIRTIO_F_VERSION_1
    write(STATUS, 1, 11)
    assert status() == 11
    write(0x16, 2, 0)
    for ring in (0x20, 0x28, 0x30):
        write(ring, 4, OUTSIDE_RAM)
        write(ring + 4, 4, 0)
    write(0x1c, 2, 1)
    write(STATUS, 1, 15)
    write(0x3000, 2, 0)
    eventually("the device asks for a reset", lambda: status() & NEEDS_RESET)
    # Everything else goes on.
    assert plain.order("echo still here")[0].endswith("still here")
    assert plain.state() == "running"
