# SPDX-License-Identifier: Apache-2.0
"""lodged switches KSM on for guests that want merging, and off again; the kernel's files are the witness."""

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
import time

import pytest

from governing import governor, lodged
from guests import Guest, RUNTIME, bare, eventually
from memory import MIB, group

KSM = pathlib.Path("/sys/kernel/mm/ksm")
EXISTS, DENIED = 4, 10
NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not KSM.exists(), reason="KSM's settings are root's")


def settings():
    """All that can be set, as the kernel shows it."""
    return {path.name: path.read_text().strip() for path in sorted(KSM.iterdir()) if os.stat(path).st_mode & 0o200}


def running():
    return (KSM / "run").read_text().strip()


@pytest.fixture(autouse=True)
def ksm_is_off():
    """As Debian has it; and it's what it was afterwards."""
    before = settings()
    (KSM / "run").write_text("0")
    with contextlib.suppress(FileNotFoundError):
        (RUNTIME / ".lodged.json").unlink()
    yield
    after = settings()
    for name, value in before.items():
        if after[name] != value:
            (KSM / name).write_text(re.sub(r".*\[(.*)\].*", r"\1", value))


def merging(name):
    """A guest that does nothing, and may be merged."""
    return Guest(name=name, kernel_path=bare("spin"), memory="64M", options=["--merge"])


def test_ksm_runs_while_a_guest_wants_it_and_everything_is_put_back():
    before = settings()
    assert "nothing to change" in lodged("--once").stdout
    assert settings() == before
    with merging("wants"):
        assert "switched on" in lodged("--once").stdout
        assert running() == "1"
        assert "nothing to change" in lodged("--once").stdout
    assert "no guest wants merging any more" in lodged("--once").stdout
    assert settings() == before


def test_a_guest_that_does_not_want_merging_switches_nothing_on():
    with Guest(name="alone", kernel_path=bare("spin"), memory="64M"):
        lodged("--once")
        assert running() == "0"


def test_a_dry_run_changes_nothing():
    before = settings()
    with merging("wants"):
        assert "would write: /sys/kernel/mm/ksm/run 1" in lodged("--once", "--dry-run").stdout
    assert settings() == before


def test_the_daemon_follows_the_guests():
    before = settings()
    with governor() as daemon:
        with merging("first"):
            eventually("KSM runs", lambda: running() == "1", 30)
        eventually("KSM is off", lambda: running() == "0", 30)
    assert settings() == before
    assert daemon.returncode == 0
    assert "guest first is new" in daemon.log and "no guest wants merging any more" in daemon.log


def test_swap_that_goes_and_comes_is_told_at_once():
    swaps = [line.split()[0] for line in pathlib.Path("/proc/swaps").read_text().splitlines()[1:]]
    if not swaps:
        pytest.skip("this host has no swap to take away")
    said = []
    with Guest(name="large", kernel_path=bare("spin"), memory="4G"):
        # The first turn is long past, and the next would be in an hour.
        with governor("--interval", "3600") as daemon:
            eventually("it has begun", lambda: said.append(daemon.stderr.readline()) or "governs" in said[-1], 30)
            time.sleep(1)
            began = time.monotonic()
            subprocess.run(["swapoff", "-a"], check=True)
            try:
                said.append(daemon.stderr.readline())
                assert "guests' memory is in danger" in said[-1] and "more swap or RAM" in said[-1], said
            finally:
                for device in swaps:
                    subprocess.run(["swapon", device], check=True)
            said.append(daemon.stderr.readline())
            assert "every promise can be kept again" in said[-1], said
            assert time.monotonic() - began < 10
        assert "every promise can be kept" in lodged("--once", "--dry-run").stdout


def test_what_somebody_else_changes_of_a_promise_is_told_once_and_left():
    with Guest(name="changed", kernel_path=bare("halt"), memory="64M") as guest:
        limit = group(guest) / "memory.max"
        with governor() as daemon:
            time.sleep(2)
            limit.write_text(str(48 * MIB))
            time.sleep(3)
        said = [line for line in daemon.log.splitlines() if "somebody else has changed it" in line]
        assert len(said) == 1 and "changed: memory.max is 48M" in said[0], daemon.log
        assert int(limit.read_text()) == 48 * MIB


def test_without_pressure_accounting_it_says_so_and_governs_by_time():
    hidden = "mount -t tmpfs none /proc/pressure && exec lodged --interval 1"
    with Guest(name="seen", kernel_path=bare("halt"), memory="64M") as guest:
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", hidden], stderr=subprocess.PIPE, text=True) as process:
            eventually("it governs", lambda: int((group(guest) / "memory.low").read_text()) > 0, 30)
            process.terminate()
            log = process.stderr.read()
        assert process.returncode == 0
        assert "/proc/pressure/memory" in log and "isn't woken when guests wait for memory" in log, log


def test_a_killed_one_is_made_up_for_by_the_next():
    before = settings()
    with merging("survivor") as guest:
        with governor() as daemon:
            eventually("KSM runs", lambda: running() == "1", 30)
            daemon.kill()
        # The guest doesn't notice, and the next one knows that KSM is its own to switch off.
        assert running() == "1"
        assert guest.state() == "running"
    with governor():
        eventually("KSM is off", lambda: running() == "0", 30)
    assert settings() == before


def test_a_second_one_is_refused():
    with governor() as daemon:
        eventually("it holds its lock", lambda: (RUNTIME / ".lodged.lock").exists()
                   and (RUNTIME / ".lodged.lock").read_text() == str(daemon.pid), 30)
        done = lodged("--once", status=EXISTS)
        assert done.stderr == f"lodged: another lodged is running (process {daemon.pid})\n"


def test_ksm_that_somebody_else_runs_is_left_to_them():
    (KSM / "run").write_text("1")
    before = settings()
    with merging("guest"):
        assert "running already" in lodged("--once").stdout
        assert settings() == before
    lodged("--once")
    assert settings() == before


def test_without_rights_it_says_what_to_do():
    # Not tmp_path, whose parent nobody else may look into.
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        env = {**os.environ, "LODGE_RUNTIME_DIR": folder}
        done = lodged("--once", status=DENIED, user=NOBODY, env=env)
        assert done.stderr.startswith("lodged: ") and "run lodged as root" in done.stderr
        assert "nothing to change" in lodged("--once", "--dry-run", user=NOBODY, env=env).stdout


@pytest.mark.long
def test_equal_pages_of_two_guests_are_merged():
    """The end that all of it is for: real guests, real kernels, and pages that the kernel has merged."""
    with Guest(name="one", options=["--merge"]).ready(), Guest(name="two", options=["--merge"]).ready():
        with governor():
            eventually("pages are shared", lambda: int((KSM / "pages_sharing").read_text()) > 500, 300)
            share = time.monotonic(), ksmd_seconds()
            time.sleep(20)
            used = (ksmd_seconds() - share[1]) / (time.monotonic() - share[0])
            # The budget is 20 %, kept by what was measured before.
            assert used < 0.35, used
    lodged("--once")
    assert running() == "0"


def ksmd_seconds():
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text()
            if "(ksmd)" in fields:
                user, system = fields.rsplit(")", 1)[1].split()[11:13]
                return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    raise AssertionError("no ksmd")
