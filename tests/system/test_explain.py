# SPDX-License-Identifier: Apache-2.0
"""`lodge explain` of real guests. The witness is the kernel: the files of the guests' groups."""

import json
import pathlib
import re

from guests import Guest, bare, lodge

MIB = 1 << 20
SLICE = pathlib.Path("/sys/fs/cgroup/lodge.slice")


def touched(name, *options):
    """A guest that has used 16 MiB and does nothing any more."""
    return Guest(name=name, kernel_path=bare("touch"), memory="64M", append="touch=16", options=options)


def explained(name):
    return json.loads(lodge("explain", "--json", name).stdout)


def test_what_the_kernel_holds_and_counts_is_said():
    with touched("web", "--guarantee", "8M", "--weight", "200") as web:
        web.expect("bare: touched")
        group = SLICE / "web"
        (group / "memory.low").write_text(str(24 * MIB), encoding="ascii")
        (group / "memory.reclaim").write_text(str(4 * MIB), encoding="ascii")
        web_json = explained("web")
        kernel = web_json["kernel"]
        for bound in ("min", "low", "max"):
            assert kernel[f"memory_{bound}"] == int((group / f"memory.{bound}").read_text(encoding="ascii"))
        assert kernel["memory_high"] is None
        assert kernel["pressure"]["some_avg10"] >= kernel["pressure"]["full_avg10"] >= 0
        assert kernel["events"]["oom_kill"] == 0 and kernel["refault_anon"] >= 0
        assert web_json["promise"]["guarantee"] == 8 * MIB and web_json["promise"]["weight"] == 200
        memory = web_json["memory"]
        assert 16 * MIB <= memory["resident"] + memory["swapped"] < 20 * MIB and memory["guest"] == 64 * MIB
        text = lodge("explain", "web").stdout
        assert re.search(r"^  promised    8M always in RAM \(guarantee\), at most 64M \(limit\), .*; weight 200$", text, re.M)
        assert "low 24M (taken last), high none" in text
        assert "none runs (lodged)" in text and re.search(r"^  it waits    for memory \d+\.\d\d% of the last 10 s", text, re.M)


def test_best_effort_is_said_to_be_promised_nothing():
    with touched("web"), touched("guess", "--best-effort") as guess:
        guess.expect("bare: touched")
        assert explained("guess")["promise"]["best_effort"] is True
        text = lodge("explain", "--all").stdout
        assert [part.split()[0] for part in text.split("\n\n")] == ["guess", "web"]
        assert "\n  promised    nothing (best effort)" in text
