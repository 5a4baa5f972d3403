# SPDX-License-Identifier: Apache-2.0
"""`lodge top` with guests: their rows, the kernel's figures in them, and the full screen."""

import json
import pathlib
import re
import sys

from guests import PATIENCE, Guest, lodge

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from screen import Screen  # noqa: E402


def test_top_once_and_full_screen():
    with Guest(name="web").ready() as guest:
        # Once, as text: a row with the guest's size, and a bar that is all of its RAM.
        lines = lodge("top", "--once").stdout.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("NAME "))
        row = dict(zip(lines[at].split(), lines[at + 1].split()))
        assert row["NAME"] == "web" and row["STATE"] == "running" and row["SIZE"] == "256M"
        assert re.search(r"\[#+=*%*s*o*-*\.+\]$", lines[at + 1])

        # As JSON: the parts are those of `lodge show`, and the process's figures are the kernel's.
        (found,) = json.loads(lodge("top", "--json").stdout)["guests"]
        parts = found["memory_parts"]
        seven = ("private", "page_cache", "merged", "swapped", "ballooned", "reported_free", "untouched")
        assert sum(parts[part] for part in seven) == parts["guest"] == 256 << 20
        assert found["pid"] == guest.pid
        assert 0 <= found["rates"]["vcpu_permille"] <= found["rates"]["cpu_permille"] < 1100

        # On a screen: it's there, is shown as it is, and leaves the terminal as it was.
        with Screen("lodge", "top", "--interval", "1", env={"LC_ALL": "C"}) as screen:
            screen.expect(r"^web +running .*\[#.*\]", PATIENCE)
            lodge("pause", "web")
            screen.expect(r"^web +paused", PATIENCE)
            screen.resize(10, 40)
            screen.expect(r"^web +paused", PATIENCE)
            lodge("kill", "web")
            screen.expect(r"No guests", PATIENCE)
            screen.press("q")
            assert screen.end(PATIENCE) == 0
            assert screen.restored()
