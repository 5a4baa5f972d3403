# SPDX-License-Identifier: Apache-2.0
"""Tests of the tools that judge everything else: what they count and what they refuse."""

import json
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))
import stages


def run(*command, **options):
    return subprocess.run(
        command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", **options
    )


CMOCKA = """\
[==========] Running 3 test(s).
[ RUN      ] a_size_is_read
[       OK ] a_size_is_read
[ RUN      ] a_letter_is_refused
[  ERROR   ] --- 1 != 2
[   LINE   ] --- ../tests/unit/test_size.c:12: error: Failure!
[  FAILED  ] a_letter_is_refused
[ RUN      ] needs_a_terminal
[  SKIPPED ] needs_a_terminal
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] needs_a_terminal
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] a_letter_is_refused

 1 FAILED TEST(S)
"""


def test_each_cmocka_function_counts_once():
    assert stages.count_cmocka(CMOCKA) == (1, 1, 1)


@pytest.fixture
def meson_log(tmp_path):
    def write(*results):
        path = tmp_path / "testlog.json"
        path.write_text("".join(json.dumps(r) + "\n" for r in results), encoding="utf-8")
        return path

    return write


def test_a_unit_test_that_crashes_counts_as_failed(meson_log):
    said = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n"
    tally = stages.count_meson(meson_log({"result": "FAIL", "returncode": -11, "stdout": said}))
    assert (tally.passed, tally.failed) == (1, 1)


def test_a_unit_test_that_says_nothing_counts_as_failed(meson_log):
    tally = stages.count_meson(meson_log({"result": "OK", "returncode": 0, "stdout": ""}))
    assert (tally.passed, tally.failed) == (0, 1)


@pytest.mark.parametrize(
    "last, status, counts",
    [
        ("3 passed in 0.12s", 0, (3, 0, 0)),
        ("=== 1 failed, 2 passed, 1 skipped, 1 error in 61.00s (0:01:01) ===", 1, (2, 2, 1)),
        ("12 passed, 2 warnings in 1.00s", 0, (12, 0, 0)),
        ("1 passed, 1 xfailed, 1 xpassed in 1.00s", 0, (2, 1, 0)),
        # All passed, and then something broke: the status says so.
        ("3 passed in 0.12s", 1, (3, 1, 0)),
        # Nothing ran at all.
        ("no tests ran in 0.01s", 5, (0, 1, 0)),
        ("2 skipped in 0.01s", 0, (0, 1, 0)),
        ("Segmentation fault", 139, (0, 1, 0)),
    ],
)
def test_what_pytest_says_last_is_counted(last, status, counts):
    tally = stages.count_pytest(f"...\ntests/x.py::y PASSED\n{last}\n", status)
    assert (tally.passed, tally.failed, tally.skipped) == counts


def test_a_folder_without_tests_is_a_failed_stage():
    assert stages.pytest(None, "uapi").failed == 1


def test_all_stages_have_names_of_their_own():
    names = [s.name for s in stages.STAGES] + list(stages.GROUPS)
    assert len(names) == len(set(names))


def test_check_ends_with_the_sum():
    done = run("tools/check", "setup")
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed", done.stdout


def test_check_names_a_stage_that_it_does_not_know():
    done = run("tools/check", "lauers")
    assert done.returncode != 0
    assert "lauers" in done.stderr


# tools/check-layers


def tree(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(tmp_path)


def test_a_layer_may_use_itself_and_those_below(tmp_path):
    top = tree(
        tmp_path,
        {
            "vm/vm.c": '#include "vm/vm.h"\n#include "base/err.h"\n#include <stdio.h>\n',
            "tests/unit/test_x.c": '#include "cmd/command.h"\n',
            "guest/init.c": '#include "own.h"\n',
            "build-x/vm/gen.c": '#include "cmd/command.h"\n',
        },
    )
    done = run("tools/check-layers", top)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name, text, complaint",
    [
        ("base/err.c", '#include "vm/vm.h"\n', "base/err.c:1: base/ may not use"),
        ("vm/vm.c", '#include <stdio.h>\n  #  include "dev/rtc.h"\n', "vm/vm.c:2:"),
        ("vm/vm.c", '#include "vm.h"\n', "isn't named from the top"),
        ("vm/vm.c", '#include "../base/err.h"\n', "isn't named from the top"),
        ("vm/vm.c", '#include "tests/fakes/kvm.h"\n', "isn't named from the top"),
        ("extra/new.c", "", "extra/ is no layer"),
    ],
)
def test_what_breaks_the_order_of_layers_is_named(tmp_path, name, text, complaint):
    done = run("tools/check-layers", tree(tmp_path, {name: text}))
    assert done.returncode == 1
    assert complaint in done.stderr


def test_an_empty_tree_is_no_success(tmp_path):
    assert run("tools/check-layers", str(tmp_path)).returncode == 1


# tools/setup


def test_setup_is_quiet_when_nothing_is_missing():
    done = run("tools/setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_setup_knows_its_sections():
    done = run("tools/setup", "nope")
    assert done.returncode == 1
    assert "no section 'nope'" in done.stderr
    assert "build checks lab" in done.stderr


@pytest.fixture
def bare_machine(tmp_path):
    """A PATH on which dpkg knows no package, and that has what the test puts there."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sed", "dirname", "cat", "mktemp", "rm", "env", "tail"):
        (tools / name).symlink_to(f"/usr/bin/{name}")

    def script(name, text):
        path = tools / name
        path.write_text("#!/bin/bash\n" + text, encoding="utf-8")
        path.chmod(0o755)

    script("dpkg-query", "exit 1\n")
    script("apt-get", f'echo "$DEBIAN_FRONTEND $*" >>{tmp_path}/apt.log\n')
    script("id", "echo 1000\n")
    return {"script": script, "path": str(tools), "log": tmp_path / "apt.log"}


def setup_on(machine, *arguments):
    return run("tools/setup", *arguments, env={"PATH": machine["path"]})


def test_setup_without_rights_says_what_is_missing(bare_machine):
    done = setup_on(bare_machine, "build")
    assert done.returncode == 1
    assert "root or sudo" in done.stderr and "meson" in done.stderr
    assert not bare_machine["log"].exists()


def test_setup_installs_with_sudo_and_says_what(bare_machine):
    bare_machine["script"]("sudo", 'exec "$@"\n')
    done = setup_on(bare_machine, "build")
    assert done.returncode == 0, done.stderr
    assert "meson" in done.stdout and "cppcheck" not in done.stdout
    update, install = bare_machine["log"].read_text(encoding="utf-8").splitlines()
    assert update.startswith("noninteractive") and update.endswith(" update")
    assert "--no-install-recommends" in install and " meson " in install


def test_setup_says_why_apt_failed(bare_machine):
    bare_machine["script"]("id", "echo 0\n")
    bare_machine["script"]("apt-get", 'echo "E: Unable to locate package meson"; exit 100\n')
    done = setup_on(bare_machine)
    assert done.returncode == 1
    assert "Unable to locate package meson" in done.stderr


def test_setup_can_be_told_to_keep_off(bare_machine):
    done = run("tools/setup", env={"PATH": bare_machine["path"], "LODGE_NO_SETUP": "1"})
    assert (done.returncode, done.stdout) == (0, "")
