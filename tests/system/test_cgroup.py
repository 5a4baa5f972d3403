# SPDX-License-Identifier: Apache-2.0
"""Each guest has a cgroup of its own, which is charged for all it takes and goes with it. The witness is
the kernel: /proc/PID/cgroup and the files of the group."""

import os
import pathlib
import signal

import pytest

from guests import Guest, RUNTIME, bare, eventually, lodge, names

EXISTS = 4
MIB = 1 << 20
SLICE = pathlib.Path("/sys/fs/cgroup/lodge.slice")


def groups():
    return sorted(path.name for path in SLICE.iterdir() if path.is_dir()) if SLICE.exists() else []


def number(guest, file):
    return int((SLICE / guest.name / file).read_text(encoding="ascii"))


def processes(name):
    return [int(line) for line in (SLICE / name / "cgroup.procs").read_text(encoding="ascii").split()]


def small(**kwargs):
    return Guest(kernel_path=bare("halt"), memory="4M", **kwargs)


def test_the_vm_process_is_in_a_group_of_its_own():
    with small() as one, small() as other:
        for guest in (one, other):
            assert guest.pid in processes(guest.name)
            shown = guest.show()
            assert shown["cgroup"] == f"lodge.slice/{guest.name}"
            assert f"0::/{shown['cgroup']}\n" in pathlib.Path(f"/proc/{guest.pid}/cgroup").read_text(encoding="ascii")
        assert groups() == sorted([one.name, other.name])


def test_guest_memory_is_charged_to_the_group():
    with Guest(kernel_path=bare("touch"), memory="64M", append="touch=48") as guest:
        guest.expect("bare: touched")
        assert 48 * MIB <= number(guest, "memory.current") < 60 * MIB
        # KVM's own memory is in it too, so the group was entered before KVM was asked for anything.
        stat = dict(line.split() for line in (SLICE / guest.name / "memory.stat").read_text(encoding="ascii").splitlines())
        assert int(stat["anon"]) >= 48 * MIB
        assert int(stat["kernel"]) > 256 << 10


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_an_ended_guest_leaves_no_group(verb):
    with small() as guest:
        assert groups() == [guest.name]
        lodge(verb, *(["--timeout", "1"] if verb == "stop" else []), guest.name)
        # The verb returns when the guest is gone, and then its group is too.
        assert groups() == []


def test_a_panicked_guest_leaves_no_group_once_somebody_knows():
    with Guest(kernel_path=bare("panic"), memory="4M") as guest:
        eventually("it panicked", lambda: guest.state() == "panicked")
        lodge("wait", guest.name, check=False)
        eventually("the group is gone", lambda: groups() == [])


def test_the_group_of_a_killed_process_goes_with_the_next_command():
    with small() as other, small() as guest:
        os.kill(guest.pid, signal.SIGKILL)
        eventually("it is dead", lambda: not os.path.exists(f"/proc/{guest.pid}"))
        assert names() == [other.name]
        assert groups() == [other.name]


def test_a_name_is_free_again_at_once_after_a_kill():
    for _ in range(5):
        with small(name="again") as guest:
            assert guest.pid in processes("again")
            os.kill(guest.pid, signal.SIGKILL)
            eventually("it is dead", lambda pid=guest.pid: not os.path.exists(f"/proc/{pid}"))
            with small(name="again") as second:
                assert processes("again") == [second.pid]
    assert groups() == []


def test_a_start_that_fails_leaves_no_group(tmp_path):
    # Fails in the VM process: the guest's RAM can't hold the kernel.
    image = tmp_path / "vmlinux"
    image.write_bytes(bare("halt").read_bytes())
    done = lodge("run", "-d", "--name", "bad", "--kernel", image, "--initrd", "/bin/busybox", "--memory", "1M", check=False)
    assert done.returncode != 0
    assert groups() == []


def test_a_name_in_use_with_another_runtime_directory_is_refused(tmp_path):
    with small() as guest:
        environment = {**os.environ, "LODGE_RUNTIME_DIR": str(tmp_path / "run")}
        done = lodge("run", "-d", "--name", guest.name, "--kernel", bare("halt"), "--memory", "4M", check=False, env=environment)
        assert done.returncode == EXISTS
        assert "another runtime directory" in done.stderr and done.stderr.count("\n") == 1
        assert processes(guest.name) == [guest.pid]
        assert not (tmp_path / "run" / guest.name).exists()
        assert guest.state() == "running"


def test_an_empty_leftover_is_used():
    (SLICE / "left").mkdir(parents=True)
    with small(name="left") as guest:
        assert processes("left") == [guest.pid]
        assert (RUNTIME / "left" / "cgroup").resolve() == SLICE / "left"
    eventually("the group is gone", lambda: groups() == [])
