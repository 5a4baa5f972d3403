# SPDX-License-Identifier: Apache-2.0
"""What guests touch of their memory, as host/damon.h estimates it through KVM's page tables."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from guests import BUILD, Guest
from memory import MIB, ram

KDAMONDS = pathlib.Path("/sys/kernel/mm/damon/admin/kdamonds")
PERIOD_MS, SAMPLES = 1000, 100
BUSY_MIB = 64
EXISTS = 4

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not KDAMONDS.exists(), reason="DAMON's files are root's")


def kdamonds():
    return int((KDAMONDS / "nr_kdamonds").read_text())


@contextlib.contextmanager
def watching(*guests, seconds):
    """bench/workingset on these guests, which says what it reads from host/damon.h once a second."""
    targets = [f"{guest.pid}:" + ",".join(f"{region['hva']}+{region['bytes']}" for region in guest.show()["ram"])
               for guest in guests]
    command = [str(BUILD / "bench" / "workingset"), str(PERIOD_MS), str(SAMPLES), str(seconds), *targets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def last(process):
    """The estimates of the last line, once the process has ended well."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def test_an_idle_guest_is_told_from_a_busy_one_and_nothing_is_left_behind():
    shape = {"memory": "160M", "options": ["--balloon", "stats"]}
    with Guest(name="idle", **shape).ready() as idle, Guest(name="busy", **shape).ready() as busy:
        for guest in (idle, busy):
            guest.order(f"sh yes {guest.name} | dd of=/file bs=1M count={BUSY_MIB} iflag=fullblock 2>/dev/null")
        # Not cat, which has the kernel pass the pages on without a look at them.
        busy.order("sh while :; do dd if=/file of=/dev/null bs=64k; sleep 0.1; done >/dev/null 2>&1 &")

        with watching(idle, busy, seconds=12) as process:
            still, touched = last(process)
        assert still < ram(idle, "Rss") / 4
        assert touched > BUSY_MIB * MIB / 2
        assert touched < ram(busy, "Rss")
        assert kdamonds() == 0

        # Killed while it waits for the kernel, which goes on looking; the next takes that over.
        with watching(idle, seconds=60) as process:
            process.stdout.readline()
            time.sleep(0.5)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert kdamonds() == 1
        with watching(busy, seconds=4) as process:
            assert last(process)[0] is not None
        assert kdamonds() == 0

        # And with the last guest that is looked at, DAMON ends by itself.
        with watching(busy, seconds=60) as process:
            process.stdout.readline()
            busy.__exit__()
            assert process.wait(timeout=60) != 0
            assert "kdamonds" in process.stderr.read()
        assert kdamonds() == 0


def test_somebody_else_who_uses_damon_is_left_alone():
    (KDAMONDS / "nr_kdamonds").write_text("1")
    (KDAMONDS / "0/contexts/nr_contexts").write_text("1")
    (KDAMONDS / "0/contexts/0/schemes/nr_schemes").write_text("1")
    try:
        command = [str(BUILD / "bench" / "workingset"), str(PERIOD_MS), str(SAMPLES), "2", f"{os.getpid()}:4096+1048576"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == EXISTS and "somebody else uses DAMON" in done.stderr
        assert kdamonds() == 1
    finally:
        (KDAMONDS / "nr_kdamonds").write_text("0")
