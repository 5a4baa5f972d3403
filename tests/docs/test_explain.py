# SPDX-License-Identifier: Apache-2.0
"""`lodge explain`, without KVM and without a governor."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LODGE = os.environ.get("LODGE", str(TOP / "build" / "lodge"))

sys.path.insert(0, str(TOP / "tests"))
import governed  # noqa: E402
from fake_guest import MIB, FakeGuest  # noqa: E402


@pytest.fixture(name="runtime")
def fixture_runtime(tmp_path):
    """A runtime directory of this test's own, as LODGE_RUNTIME_DIR."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


def explain(runtime, *args):
    done = subprocess.run([LODGE, "explain", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, "LODGE_RUNTIME_DIR": str(runtime)})  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def a_record():
    return governed.record([governed.guest("db", 200, 116, 92), governed.guest("web", 100, 80, 104, governed.decision())])


def test_a_part_is_explained_while_a_governor_runs(runtime):
    with FakeGuest(runtime, "web"), governed.governor(runtime):
        governed.write(runtime, a_record())
        text = explain(runtime, "web")
    assert text.startswith("web has 32M in RAM and none in swap, of 64M; 16M are in its balloon\n")
    assert "  its part    80M of the host's RAM" in text
    assert re.findall(r"^ +([+-]?\d+)M  ", text, re.M) == ["35", "+42", "+27", "-24"]
    assert re.search(r"^  last +\d\.\ds ago: 12M taken by reclaim, .*, for db; the host was short of memory", text, re.M)


def test_without_a_governor_it_says_so_and_what_was_done_last(runtime):
    with FakeGuest(runtime, "web"):
        assert "  governor    none runs (lodged): " in explain(runtime, "web")
        governed.write(runtime, a_record())
        text = explain(runtime, "web")
    assert "  governor    none runs (lodged): " in text and "\n  its part" not in text
    assert "12M taken by reclaim" in text


def test_a_record_that_is_damaged_is_named_and_the_rest_is_said(runtime):
    with FakeGuest(runtime, "web"), governed.governor(runtime):
        governed.write(runtime, {**a_record(), "margin": "much"})
        text = explain(runtime, "web")
    assert "can't be read: .lodged.record.json: margin isn't understood\n" in text
    assert text.startswith("web has 32M in RAM")


def test_all_guests_are_explained_with_a_line_between_them(runtime):
    with FakeGuest(runtime, "web"), FakeGuest(runtime, "new"), governed.governor(runtime):
        governed.write(runtime, a_record())
        parts = explain(runtime, "--all").split("\n\n")
        listed = json.loads(explain(runtime, "--all", "--json"))
    assert [part.split()[0] for part in parts] == ["new", "web"]
    assert "hasn't seen this guest yet" in parts[0]
    assert [guest["name"] for guest in listed] == ["new", "web"]


def test_json_of_one_guest_is_an_object_whose_sum_holds(runtime):
    with FakeGuest(runtime, "web"), governed.governor(runtime):
        governed.write(runtime, a_record())
        guest = json.loads(explain(runtime, "--json", "web"))
    part = guest["part"]
    assert part["target"] == part["kept"] + part["by_weight"] + part["others"] + part["tax"] == 80 * MIB
    assert guest["last"]["whom"] == "db" and guest["governor"]["state"] == "soft"
    assert guest["promise"] is None and "cgroup" in guest["promise_reason"]


def test_every_member_is_in_the_manual(runtime):
    with FakeGuest(runtime, "web"), governed.governor(runtime):
        governed.write(runtime, a_record())
        guest = json.loads(explain(runtime, "--json", "web"))
    manual = (TOP / "man/lodge-explain.1.scd").read_text(encoding="utf-8").split("# MEMBERS")[1].replace("\\", "")
    members = set(guest) | {m for value in guest.values() if isinstance(value, dict) for m in value}
    assert members - {"promise_reason", "kernel_reason"} - set(re.findall(r"\*([a-z_]+)\*", manual)) == set()
