# SPDX-License-Identifier: Apache-2.0
"""How guests end, pause, restart and are stopped, and what is left of them."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from guests import Guest, RUNTIME, bare, eventually, left_behind, lodge, names

PANICKED, KILLED = 6, 7


def test_the_power_button_is_obeyed():
    with Guest().ready() as guest:
        guest.order("idle 2")  # the program that watches the button is there by then
        lodge("stop", guest.name)
        assert "power button" in guest.expect("power button.*")[0]
        eventually("the guest is gone", lambda: not left_behind(guest.name))


def test_stop_forces_a_guest_that_does_not_obey():
    with Guest(kernel_path=bare("halt")) as guest:
        began = time.monotonic()
        lodge("stop", "--timeout", "2", guest.name)
        assert time.monotonic() - began >= 2
        assert guest.name not in names()


def test_reset_boots_again_and_power_off_ends_with_status_0_and_leaves_nothing():
    with Guest().ready() as guest:
        group = pathlib.Path("/sys/fs/cgroup") / guest.show()["cgroup"]
        assert group.is_dir()
        guest.send("reboot")
        guest.ready()
        assert guest.show()["resets"] == 1
        assert guest.ends_by("poweroff") == 0
        eventually("the guest is gone", lambda: not left_behind(guest.name) and not group.exists())


@pytest.mark.long
def test_reset_stops_if_asked_to():
    with Guest(options=["--on-reset", "stop"]).ready() as guest:
        assert guest.ends_by("reboot") == 0


def test_a_triple_fault_is_a_reset():
    done = lodge("run", "--kernel", bare("triple"), "--memory", "4M", "--on-reset", "stop")
    assert done.returncode == 0


def test_a_panic_is_a_state_and_a_status_of_its_own():
    with Guest().ready() as guest:
        guest.send("panic")
        eventually("the state is panicked", lambda: guest.state() == "panicked")
        assert lodge("wait", guest.name, check=False).returncode == PANICKED
        eventually("the guest is gone", lambda: not left_behind(guest.name))


def cpu_ticks(guest, thread):
    with open(f"/proc/{guest.pid}/task/{guest.threads()[thread]}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_paused_guest_stands_still_and_goes_on():
    with Guest(kernel_path=bare("spin"), memory="4M") as guest:
        lodge("pause", guest.name)
        assert guest.state() == "paused"
        before = cpu_ticks(guest, "vcpu0")
        time.sleep(1)
        assert cpu_ticks(guest, "vcpu0") == before
        lodge("resume", guest.name)
        assert guest.state() == "running"
        eventually("it runs again", lambda: cpu_ticks(guest, "vcpu0") > before)


def test_a_guest_with_several_vcpus_survives_many_pauses():
    with Guest(cpus=2).ready() as guest:
        guest.send("spin 3")
        for _ in range(20):
            lodge("pause", guest.name)
            lodge("resume", guest.name)
        guest.expect("^ok spin")
        assert guest.order("cpus")[0].startswith("2")


@pytest.mark.parametrize(("first", "second", "says"), [
    ("pause", "pause", "paused"),
    ("pause", "stop", "paused"),
    (None, "resume", "running"),
])
def test_what_a_state_does_not_allow_is_refused_by_name(first, second, says):
    with Guest(kernel_path=bare("halt"), memory="4M") as guest:
        if first:
            lodge(first, guest.name)
        done = lodge(second, *(["--timeout", "1"] if second == "stop" else []), guest.name, check=False)
        assert done.returncode == 9 or (second == "stop" and done.returncode == 0)
        assert done.returncode == 0 or says in done.stderr


def test_a_killed_process_leaves_nothing_and_disturbs_nobody():
    with Guest(kernel_path=bare("halt"), memory="4M") as other:
        with Guest(kernel_path=bare("spin"), memory="4M") as guest:
            os.kill(guest.pid, signal.SIGKILL)
            eventually("it is dead", lambda: not os.path.exists(f"/proc/{guest.pid}"))
            assert names() == [other.name]
            assert not left_behind(guest.name)
            done = lodge("show", guest.name, check=False)
            assert done.returncode == 3 and "no guest" in done.stderr
        assert other.state() == "running"


@pytest.mark.long
def test_sigterm_presses_the_power_button():
    with Guest().ready() as guest:
        guest.order("idle 2")  # the program that watches the button is there by then
        os.kill(guest.pid, signal.SIGTERM)
        guest.expect("power button")
        eventually("the guest is gone", lambda: not left_behind(guest.name))


def test_ending_the_foreground_ends_the_guest():
    command = subprocess.Popen(["lodge", "run", "--name", "fg", "--kernel", str(bare("halt")), "--memory", "4M"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    eventually("it runs", lambda: "fg" in names())
    command.send_signal(signal.SIGTERM)
    command.send_signal(signal.SIGTERM)
    assert command.wait(30) == KILLED
    assert not left_behind("fg")


def test_the_configuration_file_says_the_same(tmp_path):
    config = tmp_path / "guest.json"
    config.write_text(json.dumps({"name": "fromfile", "kernel": str(bare("halt")), "memory": "8M", "cpus": 2}))
    assert lodge("run", "-d", "--config", config).stdout == "fromfile\n"
    shown = json.loads(lodge("show", "fromfile", "--json").stdout)
    assert (shown["cpus"], shown["memory"]) == (2, 8 << 20)
    assert json.loads((RUNTIME / "fromfile" / "config.json").read_text())["memory"] in (8 << 20, "8M")
    lodge("kill", "fromfile")
