# SPDX-License-Identifier: Apache-2.0
"""A user without rights at the root of the hierarchy runs guests in a group that was given to them, and is
promised what that group can keep. The witness is the kernel: the files of the groups."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from guests import PATIENCE, bare, eventually
from memory import MIB

FAILED, USAGE, DENIED, REFUSED = 1, 2, 10, 12
MOUNT = pathlib.Path("/sys/fs/cgroup")
UID = 65534


class User:
    """Somebody who owns the group `top`, as systemd and the kernel's documentation give one away, and
    starts from `shell` in it."""

    def __init__(self, top, runtime):
        self.top = MOUNT / top
        self.slice = self.top / "lodge.slice"
        self.shell = self.top / "shell"
        self.runtime = runtime
        self.top.mkdir()
        self.shell.mkdir()
        self.give(self.top)

    @staticmethod
    def give(group):
        for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control"):
            os.chown(path, UID, UID)

    def remove(self):
        self.lodge("kill", "--all", check=False)
        eventually("the groups are empty", lambda: "populated 0" in self.read("cgroup.events", self.top))
        for path, _, _ in sorted(os.walk(self.top), reverse=True):
            os.rmdir(path)

    def lodge(self, *args, **kwargs):
        return self.command("lodge", *args, **kwargs)

    def command(self, *args, check=True, where=None, **environment):
        enter = f'echo 0 > {where or self.shell}/cgroup.procs && exec setpriv --reuid {UID} --regid {UID} --clear-groups "$@"'
        done = subprocess.run(["sh", "-c", enter, "sh", *map(str, args)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE,
                              env={**os.environ, "LODGE_RUNTIME_DIR": str(self.runtime), **environment})
        assert not check or done.returncode == 0, done.stderr
        return done

    def run(self, name, *options, memory="8M", kernel="halt", **kwargs):
        return self.lodge("run", "-d", "--name", name, "--kernel", bare(kernel), "--memory", memory, *options, **kwargs)

    def refused(self, *options, status, says, **kwargs):
        """The start fails with one line that says so, and leaves nothing behind."""
        done = self.run("refused", *options, check=False, **kwargs)
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1, done.stderr
        for words in says:
            assert words in done.stderr, done.stderr
        assert not (self.runtime / "refused").exists() and not (self.slice / "refused").exists()
        return done.stderr

    def show(self, name):
        return json.loads(self.lodge("show", "--json", name).stdout)

    def promises(self):
        return json.loads(self.lodge("host", "--json").stdout)["promises"]

    def read(self, file, group=None):
        return ((group or self.slice) / file).read_text(encoding="ascii")

    def number(self, file, group=None):
        return int(self.read(file, group))

    def write(self, file, text, group=None):
        ((group or self.top) / file).write_text(str(text), encoding="ascii")

    def groups(self):
        return sorted(path.name for path in self.slice.iterdir() if path.is_dir())


def make_user(top, tmp_path):
    # Up to here only root may come.
    for path in [tmp_path, *tmp_path.parents[:-2]]:
        path.chmod(0o755)
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.chown(runtime, UID, UID)
    os.chmod("/dev/kvm", 0o666)
    return User(top, runtime)


@pytest.fixture
def user(tmp_path):
    someone = make_user("hand", tmp_path)
    yield someone
    someone.remove()


def test_guests_run_in_the_users_group_and_leave_nothing(user):
    user.run("one")
    user.run("two")
    shown = user.show("one")
    assert shown["cgroup"] == "hand/lodge.slice/one" and user.groups() == [".end", "one", "two"]
    assert str(shown["pid"]) in user.read("cgroup.procs", user.slice / "one").split()
    overhead = shown["promise"]["overhead"]
    assert user.number("memory.max", user.slice / "one") == 8 * MIB + overhead
    said = user.promises()
    assert said["ledger"] == str(user.slice) and said["guests"] == 2
    assert f"guests in {user.slice}" in user.lodge("doctor", check=False).stdout
    user.lodge("set", "one", "memory-limit=4M", "weight=200")
    assert user.number("memory.max", user.slice / "one") == 4 * MIB + overhead
    user.lodge("kill", "one")
    assert user.groups() == [".end", "two"]
    os.kill(user.show("two")["pid"], signal.SIGKILL)
    eventually("it is gone", lambda: user.lodge("ps", "--json").stdout == "[]\n")
    assert user.groups() == [".end"] and list(user.runtime.glob("[a-z]*")) == []
    assert user.read("cgroup.procs", user.slice / ".end") == ""


def test_the_groups_limits_bound_what_can_be_promised(user):
    user.write("memory.max", 64 * MIB)
    user.write("memory.swap.max", 16 * MIB)
    said = user.promises()
    assert said["bound"]["ram"] <= 64 * MIB and said["bound"]["swap"] == 16 * MIB
    user.refused(memory="128M", status=REFUSED,
                 says=["its memory can't be promised: 128M memory + 3M overhead", "by the limits of groups above", "16M of swap"])
    user.run("small", memory="32M")
    user.refused(memory="48M", status=REFUSED, says=["for 1 guest + 48M memory"])
    assert "groups allow" in user.lodge("host").stdout


def test_a_guarantee_needs_protection_from_above(user):
    said = user.lodge("host").stdout
    assert "no guarantees" in said
    line = user.refused("--guarantee", "16M", memory="32M", status=REFUSED,
                        says=["16M guarantee + 3M overhead = 19M, of 0M that the groups above lodge.slice protect"])
    # Without one there's nothing to refuse.
    user.run("none", memory="32M")
    assert user.number("memory.min", user.slice / "none") == 0
    command = re.search(r"as root: (.*)", line)[1]
    subprocess.run(["sh", "-c", command], check=True, timeout=PATIENCE)
    assert user.number("memory.min", user.top) == 19 * MIB
    user.run("some", "--guarantee", "16M", memory="32M")
    assert user.number("memory.min", user.slice / "some") == user.number("memory.min") == 19 * MIB
    user.refused("--guarantee", "1M", status=REFUSED, says=["19M for 2 guests + 1M guarantee"])
    done = user.lodge("set", "none", "guarantee=1M", check=False)
    assert done.returncode == REFUSED and "as root: echo 23M" in done.stderr
    user.write("memory.min", 0)
    assert "IN DANGER       guarantees: the groups above protect 19M too little" in user.lodge("host").stdout
    user.lodge("set", "some", "guarantee=8M")


def test_a_guarantee_in_the_users_group_stays_in_ram(user):
    user.write("memory.min", 104 * MIB)
    user.write("memory.max", 160 * MIB)
    user.run("safe", "--guarantee", "96M", "--append", "touch=88", memory="96M", kernel="touch")
    eventually("it has its memory", lambda: user.number("memory.current", user.slice / "safe") >= 88 * MIB)
    user.run("other", "--append", "touch=120", memory="128M", kernel="touch")
    eventually("the other has had to swap", lambda: user.number("memory.swap.current", user.slice / "other") > 32 * MIB)
    assert user.number("memory.swap.current", user.slice / "safe") == 0
    assert user.number("memory.current", user.slice / "safe") >= 88 * MIB


def test_from_outside_the_group_it_is_said_how_to_come_in(user, tmp_path):
    user.refused(where=MOUNT, status=DENIED, says=["this user may not change /sys/fs/cgroup", "systemd-run --user --scope"])
    user.refused(where=MOUNT, LODGE_CGROUP="/hand", status=DENIED,
                 says=["this process is in /, from where it can't come into /hand", "start it in a group below that"])
    user.refused(LODGE_CGROUP="/nowhere", status=USAGE, says=["LODGE_CGROUP: there is no cgroup /sys/fs/cgroup/nowhere"])
    user.refused("--best-effort", LODGE_CGROUP="..", status=USAGE, says=["is no path of a cgroup"])
    # Looking needs no right to come in.
    user.run("here")
    outside = user.lodge("host", "--json", where=MOUNT, LODGE_CGROUP="/hand")
    assert json.loads(outside.stdout)["promises"]["guests"] == 1
    user.lodge("set", "here", "weight=50", where=MOUNT)


def test_a_login_session_beside_the_users_service_manager(user, tmp_path):
    session = user.top / "session-1.scope"
    manager = user.top / f"user@{UID}.service"
    session.mkdir()
    (user.top / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
    manager.mkdir()
    user.give(manager)
    for path in (user.top, user.top / "cgroup.procs", user.top / "cgroup.subtree_control"):
        os.chown(path, 0, 0)
    user.refused(where=session, status=DENIED, says=["this process is in /hand/session-1.scope", "systemd-run --user --scope"])
    assert json.loads(user.lodge("host", "--json", where=session).stdout)["promises"]["ledger"] == str(manager / "lodge.slice")
    # In the manager's own group are processes, when somebody puts them there.
    user.refused(where=manager, status=FAILED, says=[f"user@{UID}.service has processes in it", "systemd-run --user --scope"])


def test_a_group_that_lacks_controllers_says_which(user):
    user.write("cgroup.subtree_control", "+memory")
    inner = user.top / "inner"
    inner.mkdir()
    user.give(inner)
    # It has memory, and no cpu controller to hand on.
    where = inner / "shell"
    where.mkdir()
    here = {"where": where, "LODGE_CGROUP": "/hand/inner"}
    user.refused("--weight", "50", status=REFUSED, says=["weight: ", "has no cpu controller"], **here)
    user.refused("--cpu-limit", "50%", status=REFUSED, says=["cpu-limit: ", "has no cpu controller"], **here)
    user.run("plain", **here)
    done = user.lodge("set", "plain", "cpu-limit=50%", check=False)
    assert done.returncode == REFUSED and "no cpu controller" in done.stderr
    assert not [name for name in os.listdir(inner / "lodge.slice" / "plain") if name in ("cpu.weight", "cpu.max")]
    user.lodge("kill", "plain")
    # This has nothing.
    bottom = where / "bottom"
    bottom.mkdir()
    user.give(bottom)
    here = {"where": bottom, "LODGE_CGROUP": "/hand/inner/shell/bottom"}
    user.refused(status=FAILED, says=["/hand/inner/shell/bottom has no memory controller", "--best-effort"], **here)
    user.refused("--best-effort", "--cpu-limit", "50%", status=FAILED, says=["it can't be limited without a cgroup"], **here)
    user.run("anyhow", "--best-effort", **here)
    assert user.show("anyhow")["cgroup"] is None


def test_root_may_use_a_group_by_hand_too(user):
    environment = {**os.environ, "LODGE_CGROUP": "hand"}
    subprocess.run(["lodge", "run", "-d", "--name", "rooted", "--kernel", str(bare("halt")), "--memory", "8M"], check=True,
                   timeout=PATIENCE, env=environment, stdout=subprocess.DEVNULL)
    assert user.groups() == [".end", "rooted"]
    # Who didn't choose that group sees the guest's own ledger all the same.
    shown = json.loads(subprocess.run(["lodge", "show", "--json", "rooted"], check=True, timeout=PATIENCE, stdout=subprocess.PIPE).stdout)
    assert shown["cgroup"] == "hand/lodge.slice/rooted" and shown["promise"]["memory_limit"] == 8 * MIB
    subprocess.run(["lodge", "kill", "rooted"], check=True, timeout=PATIENCE)
    assert user.groups() == [".end"]


def test_a_users_own_governor_looks_after_their_guests_and_leaves_ksm_alone(user):
    ksm = pathlib.Path("/sys/kernel/mm/ksm/run")
    before = ksm.read_text()
    user.run("one", "--merge", memory="64M", kernel="touch")
    done = user.command("lodged", "--once")
    assert "one: has " in done.stdout and "every promise can be kept" in done.stdout
    assert user.number("memory.low", user.slice / "one") > 0
    assert ksm.read_text() == before
