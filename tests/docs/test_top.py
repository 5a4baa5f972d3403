# SPDX-License-Identifier: Apache-2.0
"""`lodge top`: once, and on a full screen, without KVM."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LODGE = os.environ.get("LODGE", str(TOP / "build" / "lodge"))

sys.path.insert(0, str(TOP / "tests"))
import governed  # noqa: E402
from fake_guest import MIB, FakeGuest  # noqa: E402
from screen import Screen  # noqa: E402


@pytest.fixture(name="runtime")
def fixture_runtime(tmp_path):
    """A runtime directory of this test's own, as LODGE_RUNTIME_DIR."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


def lodge(runtime, *args, **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([LODGE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=60, env={**os.environ, "LODGE_RUNTIME_DIR": str(runtime)}, **kwargs)


def top(runtime, *args, **kwargs):
    return Screen(LODGE, "top", *args, env={"LODGE_RUNTIME_DIR": str(runtime), "LC_ALL": "C"}, **kwargs)


def once(runtime, *args):
    done = lodge(runtime, "top", "--once", *args)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def rows(text):
    """The table's rows, as words."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("NAME "))
    return [line.split() for line in lines[start + 1 :]]


def test_once_without_guests_shows_the_host(runtime):
    text = once(runtime)
    assert re.search(r"^RAM +\[[#z+.]+\] \. available \d", text, re.M)
    assert rows(text) == []
    assert text.isascii() and "\x1b" not in text


def test_once_without_a_runtime_directory_is_the_same(tmp_path):
    assert rows(once(tmp_path / "nowhere")) == []


def test_json_is_for_programs(runtime):
    with FakeGuest(runtime, "web"):
        top_json = json.loads(lodge(runtime, "top", "--json").stdout)
    guest = top_json["guests"][0]
    parts = guest["memory_parts"]
    assert guest["name"] == "web" and guest["rates"]["cpu_permille"] is not None
    assert parts["guest"] == 64 * MIB
    assert top_json["host"]["memory"] > top_json["host"]["available"] > 0


def test_decisions_of_a_governor_are_shown_while_it_runs(runtime):
    decisions = [governed.decision(9000, "db", "web"), governed.decision(3000)]
    governed.write(runtime, governed.record([], decisions))
    assert "Gov  lodged doesn't run: only the kernel moves memory\nRAM: " in once(runtime)
    with governed.governor(runtime):
        text = once(runtime)
        made = json.loads(lodge(runtime, "top", "--json").stdout)["governor"]
    assert re.search(r"^Gov  memory soft, 8M free of the 12M wanted; lodged looked \d+s ago\n"
                     r" +\d+s  web: 12M taken by reclaim for db\n"
                     r" +\d+s  db: 12M taken by reclaim for web\nRAM: ", text, re.M)  # fmt: skip
    assert [decision["guest"] for decision in made["decisions"]] == ["web", "db"]
    assert made["running"] and made["state"] == "soft" and made["margin"] == 8 * MIB


def test_decisions_come_to_the_screen_as_they_are_made_and_can_be_hidden(runtime):
    with governed.governor(runtime), top(runtime, "--interval=0.2") as screen:
        screen.expect(r"^Gov  lodged has decided nothing about memory yet$")
        governed.write(runtime, governed.record([], [governed.decision()]))
        screen.expect(r"^ +\d+s  web: 12M taken by reclaim for db$")
        governed.write(runtime, governed.record([], [governed.decision(), governed.decision(0, "db", "web")], state="low"))
        screen.expect(r"^Gov  memory low, .*\n +\d+s  db: 12M taken .*\n +\d+s  web: 12M taken ")
        screen.press("d")
        screen.expect(r"^Gov  memory low, .*\nRAM: ")
        screen.press("d")
        screen.expect(r"^ +\d+s  db: 12M taken ")
        (runtime / ".lodged.record.json").write_text("{}", encoding="ascii")
        screen.expect(r"^Gov  what lodged wrote down can't be read$")
        screen.press("q")
        assert screen.end() == 0


def test_a_guest_is_a_row_with_its_parts_and_a_bar(runtime):
    with FakeGuest(runtime, "web"):
        text = once(runtime)
    (row,) = rows(text)
    header = next(line for line in text.splitlines() if line.startswith("NAME ")).split()
    value = dict(zip(header, row))
    assert value["NAME"] == "web" and value["STATE"] == "running"
    assert value["SIZE"] == "64M" and value["BALLN"] == "16M" and value["GAVAI"] == "22M" and value["AGE"] == "3s"
    bar = text.splitlines()[-1].split("[")[1].rstrip("]")
    # Half of it was written to, and a quarter is in the balloon.
    assert abs(bar.count("#") - len(bar) / 2) <= 1
    assert abs(bar.count("o") - len(bar) / 4) <= 1


def test_once_sorts(runtime):
    with FakeGuest(runtime, "a", 32 * MIB), FakeGuest(runtime, "b", 128 * MIB), FakeGuest(runtime, "c", 64 * MIB):
        assert [row[0] for row in rows(once(runtime))] == ["a", "b", "c"]
        assert [row[0] for row in rows(once(runtime, "--reverse"))] == ["c", "b", "a"]
        assert [row[0] for row in rows(once(runtime, "--sort", "resident"))] == ["b", "c", "a"]
        assert [row[0] for row in rows(once(runtime, "--sort=size", "-r"))] == ["a", "c", "b"]


def test_a_guest_that_does_not_answer_is_shown_so_and_holds_up_no_other(runtime):
    with FakeGuest(runtime, "good"), FakeGuest(runtime, "stuck") as stuck:
        stuck.signal(signal.SIGSTOP)
        start = time.monotonic()
        by_name = {row[0]: row for row in rows(once(runtime))}
        assert time.monotonic() - start < 10
        assert by_name["stuck"][1:] == ["unresponsive"]
        assert by_name["good"][1] == "running"
        with top(runtime, "--interval", "0.2") as screen:
            screen.expect(r"^stuck +unresponsive")
            screen.expect(r"^good +running")
            stuck.signal(signal.SIGCONT)
            screen.expect(r"^stuck +running")
            screen.press("q")
            assert screen.end() == 0


def test_the_screen_shows_guests_as_they_come_and_go_and_quits(runtime):
    with top(runtime, "--interval=0.2") as screen:
        screen.expect(r"No guests")
        with FakeGuest(runtime, "web"):
            screen.expect(r"^web +running .*\[#+o+\.*\]?")
            assert not screen.restored()
        screen.expect(r"No guests")
        screen.press("q")
        assert screen.end() == 0
        assert screen.restored()


def test_keys_do_what_the_help_says(runtime):
    with FakeGuest(runtime, "a", 32 * MIB), FakeGuest(runtime, "b", 64 * MIB), top(runtime) as screen:
        screen.expect(r"^a .*\n^b ")
        screen.expect(r"by name, every 2 s")
        screen.press("r")
        screen.expect(r"by name reversed")
        screen.expect(r"^b .*\n^a ")
        screen.press("r>")
        screen.expect(r"by state, every")
        screen.press("<")
        screen.expect(r"by name, every")
        screen.press("+")
        screen.expect(r"every 3 s")
        screen.press("---")
        screen.expect(r"every 0\.5 s")
        screen.press("p")
        screen.expect(r"paused")
        screen.press("?")
        screen.expect(r"any key ends it")
        screen.press("x")
        screen.expect(r"^a ")
        screen.press("q")
        assert screen.end() == 0


def test_many_guests_scroll(runtime):
    def rows_of(*names):
        return "NAME.*\n" + "\n".join(f"{name} .*" for name in names)

    guests = [FakeGuest(runtime, f"g{i}", 4 * MIB) for i in range(9)]
    try:
        with top(runtime, rows=7) as screen:
            screen.expect(rows_of("g0", "g1", "g2", "g3", "g4"))
            screen.press("\x1bOB")
            screen.expect(rows_of("g1", "g2", "g3", "g4", "g5"))
            screen.press(" ")
            screen.expect(rows_of("g4", "g5", "g6", "g7", "g8"))
            screen.press("\x1bOA")
            screen.expect(rows_of("g3", "g4", "g5", "g6", "g7"))
            screen.press("q")
            assert screen.end() == 0
    finally:
        for guest in guests:
            guest.__exit__()


def test_windows_of_any_size(runtime):
    with FakeGuest(runtime, "web"), top(runtime, "--interval=0.1") as screen:
        screen.expect(r"^web")
        for size in [(1, 1), (2, 5), (3, 20), (200, 400), (1, 600), (60, 1), (10, 39), (24, 80)]:
            screen.resize(*size)
            screen.read(0.3)
            assert screen.process.poll() is None, size
        screen.expect(r"^web +running .*\]$")
        assert max(len(line) for line in screen.lines()) == 80
        screen.press("q")
        assert screen.end() == 0 and screen.restored()


@pytest.mark.parametrize("term", ["xterm-256color", "linux", "vt100"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV, signal.SIGABRT])
def test_signals_leave_the_terminal_as_it_was(runtime, number, term):
    class Raw(Screen):
        def _take(self, data):
            """Only what was sent counts: these terminals aren't vt100s."""

    with Raw(LODGE, "top", term=term, env={"LODGE_RUNTIME_DIR": str(runtime)}) as screen:
        while b"No guests" not in screen.sent:
            screen.read(0.05)
        screen.process.send_signal(number)
        assert screen.end() == -number
        assert screen.restored()
        if term == "xterm-256color":
            # The other screen was entered, and left; the cursor was hidden, and shows again.
            assert screen.sent.rfind(b"\x1b[?1049l") > screen.sent.rfind(b"\x1b[?1049h") >= 0
            assert screen.sent.rfind(b"\x1b[?25h") > screen.sent.rfind(b"\x1b[?25l") >= 0


def test_a_terminal_that_goes_away_ends_it(runtime):
    screen = top(runtime)
    screen.expect(r"No guests")
    os.close(screen.slave)
    os.close(screen.master)
    assert screen.process.wait(30) in (0, -signal.SIGHUP)


@pytest.mark.parametrize("locale,expected", [("C.UTF-8", "\u2588".encode()), ("C", b"####")])
def test_bars_are_blocks_where_the_locale_has_them(runtime, locale, expected):
    env = {"LODGE_RUNTIME_DIR": str(runtime), "LC_ALL": locale}
    with FakeGuest(runtime, "web"), Screen(LODGE, "top", term="linux", env=env) as screen:
        screen._take = lambda data: None
        end = time.monotonic() + 30
        while expected not in screen.sent and time.monotonic() < end:
            screen.read(0.05)
        assert expected in screen.sent
        assert screen.sent.isascii() == (locale == "C")
        screen.press("q")
        assert screen.end() == 0


def test_it_can_be_stopped_and_goes_on(runtime):
    env = {"LODGE_RUNTIME_DIR": str(runtime), "LC_ALL": "C", "PS1": "shell> "}
    with Screen("bash", "--norc", "--noprofile", "-i", env=env) as screen:
        screen.expect(r"^shell>")
        screen.press(f"{LODGE} top\r")
        screen.expect(r"No guests")
        screen.press("\x1a")
        screen.expect(r"^\[1\].*Stopped")
        screen.press("stty -a | grep -c -- ' icanon.* echo '\r")
        screen.expect(r"^1$")
        screen.press("clear\r")
        screen.expect(r"\Ashell>")
        screen.press("fg\r")
        screen.expect(r"No guests")
        screen.press("q")
        screen.expect(r"^shell>")
        screen.press("echo status $?\r")
        screen.expect(r"^status 0$")


def test_it_sleeps_between_looks(runtime):
    """A second of a screen with guests costs a small part of a CPU's."""
    with FakeGuest(runtime, "web"), top(runtime, "--interval=10") as screen:
        screen.expect(r"^web +running")

        def ticks():
            fields = pathlib.Path(f"/proc/{screen.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        before = ticks()
        time.sleep(2)
        assert ticks() - before <= 5
        screen.press("q")
        assert screen.end() == 0


def test_without_a_terminal_it_says_what_to_do(runtime):
    done = lodge(runtime, "top")
    assert done.returncode == 2
    assert done.stderr == "lodge: standard input is no terminal; use lodge top --once\n"


def test_an_unknown_terminal_is_named(runtime):
    with top(runtime, term="nonsense", columns=200) as screen:
        screen.expect(r'terminal of type "nonsense".*lodge top --once')
        assert screen.end() == 2 and screen.restored()


def test_a_missing_program_is_named(runtime, tmp_path):
    alone = tmp_path / "bin"
    alone.mkdir()
    shutil.copy(LODGE, alone / "lodge")
    env = {"LODGE_RUNTIME_DIR": str(runtime), "PATH": "/nowhere"}
    with Screen(str(alone / "lodge"), "top", columns=200, env=env) as screen:
        screen.expect(r"lodge-top .*isn't installed.*use lodge top --once")
        assert screen.end() == 1


@pytest.mark.parametrize("args,hint", [
    (("--sort", "residnet"), "did you mean resident?"),
    (("--sort", "bananas"), 'no figure "bananas"'),
    (("--interval", "soon"), "number of seconds"),
    (("--interval", "1s"), "number of seconds"),
    (("--interval", "0"), "0.1 to 3600"),
    (("--interval", "99999999999999999999"), "0.1 to 3600"),
    (("web",), "takes no operands"),
])
def test_wrong_usage_is_one_line(runtime, args, hint):
    done = lodge(runtime, "top", "--once", *args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1 and hint in done.stderr


def test_every_key_of_the_sort_is_in_the_help_and_the_manual(runtime):
    source = (TOP / "cmd/top_data.c").read_text(encoding="utf-8")
    words = re.findall(r'\[TOP_[A-Z_]+\] = "([a-z-]+)"', source)
    listed = lodge(runtime, "top", "--help").stdout.split("KEY is one of: ")[1].split(".")[0]
    assert re.split(r",\s+", listed) == words
    manual = (TOP / "man/lodge-top.1.scd").read_text(encoding="utf-8")
    assert re.findall(r"^\*([a-z-]+)\*(?: \(|$)", manual.split("# FIGURES")[1].split("\n# ")[0], re.M) == words
