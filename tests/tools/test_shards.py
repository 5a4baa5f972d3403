# SPDX-License-Identifier: Apache-2.0
"""The system tests in parts: each test in one part, and what the parts say added up."""

import importlib.machinery
import os
import re
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))
import stages


def collect(*arguments):
    command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--collect-only"]
    done = subprocess.run(
        [*command, *arguments, "tests/system"],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "::" in line], done


@pytest.mark.parametrize("chosen", [[], ["-k", "boot"]])
@pytest.mark.parametrize("count", [2, 3])
def test_each_test_is_in_one_shard_and_shards_are_even(chosen, count):
    everything, _ = collect(*chosen)
    shards = [collect(f"--shard={i}/{count}", *chosen)[0] for i in range(1, count + 1)]
    assert len(everything) > count
    assert sorted(sum(shards, [])) == sorted(everything)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def deselected(done):
    return int(re.search(r"(\d+) deselected", done.stdout)[1])


def test_other_shards_tests_are_deselected_not_skipped():
    everything, whole = collect()
    mine, done = collect("--shard=1/2")
    assert deselected(done) == deselected(whole) + len(everything) - len(mine)
    assert "skipped" not in done.stdout


def test_a_test_is_in_the_short_form_or_in_the_long_one():
    short, done = collect()
    long, _ = collect("--long")
    assert len(short) > len(long) > 0
    assert not set(short) & set(long)
    assert deselected(done) == len(long)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "a/b", "1/2/3"])
def test_a_shard_that_cannot_be_is_refused(text):
    _, done = collect(f"--shard={text}")
    assert done.returncode == 4
    assert f"'{text}'" in done.stderr


class FakeRun:
    """Gives each shard's pytest the words and the status that it is to have had."""

    def __init__(self, tmp_path, ends):
        self.path = str(tmp_path / "system.log")
        self.ends = ends
        self.said = []

    def __call__(self, *command, watched=None):
        which = next(word for word in command if word.startswith("--shard="))[len("--shard=")]
        text, status = self.ends[which] if isinstance(self.ends[which], tuple) else self.ends[which].pop(0)
        with open(self.path.replace(".log", f"-{which}.log"), "w", encoding="utf-8") as file:
            file.write(text)
        return status

    def say(self, line):
        self.said.append(line)


def test_shards_add_up(tmp_path):
    run = FakeRun(tmp_path, {"1": ("3 passed, 4 deselected in 1.00s\n", 0), "2": ("2 passed, 2 skipped in 1.00s\n", 0)})
    tally = stages.pytest_in_shards(run, "tests/system")
    assert (tally.passed, tally.failed, tally.skipped) == (5, 0, 2)


def test_a_failed_shard_is_said_last(tmp_path):
    run = FakeRun(tmp_path, {"1": ("1 failed, 2 passed in 1.00s\n", 1), "2": ("3 passed in 1.00s\n", 0)})
    tally = stages.pytest_in_shards(run, "tests/system")
    assert (tally.passed, tally.failed) == (5, 1)
    assert "1 failed" in run.said[-1] and len(run.said) == 2


def test_a_shard_that_said_nothing_has_failed(tmp_path):
    run = FakeRun(tmp_path, {"1": ("lab/run: the lab failed\n", 125), "2": ("3 passed in 1.00s\n", 0)})
    tally = stages.pytest_in_shards(run, "tests/system")
    assert (tally.passed, tally.failed) == (3, 1)


STILL = ("...", stages.STOOD_STILL)


def test_a_shard_that_stands_still_is_tried_once_more_and_that_is_said(tmp_path):
    run = FakeRun(tmp_path, {"1": [STILL, ("3 passed in 1.00s\n", 0)], "2": ("3 passed in 1.00s\n", 0)})
    tally = stages.pytest_in_shards(run, "tests/system")
    assert (tally.passed, tally.failed) == (6, 0)
    assert any("stood still" in line for line in run.said)


def test_one_that_stands_still_again_has_failed(tmp_path):
    run = FakeRun(tmp_path, {"1": [STILL, STILL, ("3 passed in 1.00s\n", 0)], "2": ("3 passed in 1.00s\n", 0)})
    tally = stages.pytest_in_shards(run, "tests/system")
    assert (tally.passed, tally.failed) == (3, 1)


def test_a_command_whose_log_does_not_grow_is_ended(tmp_path, monkeypatch):
    check = importlib.machinery.SourceFileLoader("check", os.path.join(TOP, "tools", "check")).load_module()
    monkeypatch.setattr(check, "LOGS", str(tmp_path))
    monkeypatch.setattr(stages, "STILL", 2)
    run = check.Run(stages.Stage("still", "", None, "lab"))
    log = tmp_path / "grows.log"
    grows = "for i in 1 2 3 4 5 6; do echo >>$0; sleep 0.7; done"
    assert run("sh", "-c", grows, str(log), watched=str(log)) == 0
    assert run("sleep", "100", watched=str(log)) == stages.STOOD_STILL
