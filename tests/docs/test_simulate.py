# SPDX-License-Identifier: Apache-2.0
"""The scenarios that lodge comes with: promises are kept in each, and they show what they are for."""

import functools
import json
import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LODGE = os.environ.get("LODGE", str(TOP / "build" / "lodge"))
SCENARIOS = TOP / "simulate/scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.json"))


def simulate(*args):
    return subprocess.run([LODGE, "simulate", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=False, timeout=300)


@functools.cache
def result(name, *args):
    done = simulate("--json", *args, str(SCENARIOS / f"{name}.json"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def group(found, name):
    return next(g for g in found["groups"] if g["name"] == name)


def test_scenarios_are_installed():
    listed = (TOP / "simulate/meson.build").read_text(encoding="utf-8")
    assert len(NAMES) == 5 and all(f"'scenarios/{name}.json'" in listed for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_lodge_breaks_no_promise(name):
    found = result(name)
    assert found["breaches"] == 0 and sum(found["broken"].values()) == 0
    assert all(g["refused"] == 0 for g in found["groups"])


@pytest.mark.parametrize("name", ["herd", "swap-loss"])
def test_mom_breaks_guarantees_that_lodge_keeps(name):
    assert result(name, "--policy", "mom")["broken"]["guarantees"] > 0


def test_the_idle_tax_raises_throughput_as_it_does_for_esx():
    taxed, untaxed = (group(result("idle-tax", "--tax", tax), "busy")["worked"] for tax in ("75", "0"))
    assert taxed >= 1.3 * untaxed


def test_a_taxed_guest_keeps_its_guarantee_and_gets_its_memory_back():
    idle = group(result("idle-tax"), "idle")
    assert idle["least_resident"] >= 512 << 20
    assert idle["woken"]["times"] == 1 and idle["woken"]["never"] == 0
    assert idle["woken"]["most_ms"] <= 60000


def test_lost_swap_is_danger_and_no_breach():
    (danger,) = result("swap-loss")["dangers"]
    assert danger["because"] == "swap was lost" and danger["total"] > 0
    assert (danger["since_ms"], danger["until_ms"]) == (3600000, 10800000)


def test_days_of_a_thousand_guests_take_a_bounded_number_of_steps():
    host = result("day-night")["host"]
    # One every ten seconds would be 25,920, and no more steps than turns and the model's own.
    assert host["turns"] <= 40000
    assert host["steps"] <= host["turns"] + 3 * 8640


def test_the_same_is_printed_twice():
    path = str(SCENARIOS / "herd.json")
    assert simulate(path).stdout == simulate(path).stdout != ""


def test_a_plot_is_an_svg_file_and_nothing_else_is_left(tmp_path):
    assert simulate("--plot", str(tmp_path / "a.svg"), str(SCENARIOS / "leak.json")).returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg ") and text.endswith("</svg>\n")


@pytest.mark.parametrize("args,hint", [
    ((), "scenario"),
    (("/nowhere.json",), "/nowhere.json"),
    (("--tax", "100", "x.json"), "tax"),
    (("--policy", "esx", "x.json"), '"esx" is neither lodge nor mom'),
    (("--plot", "/nowhere/a.svg", str(SCENARIOS / "leak.json")), "/nowhere/a.svg"),
    (("--plot", "/dev/null", str(SCENARIOS / "leak.json")), "/dev/null is there and no file"),
])
def test_wrong_usage_is_one_line(args, hint):
    done = simulate(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1 and hint in done.stderr


def test_a_wrong_scenario_is_named_with_its_place(tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text('{"name": "x", "colour": 1}', encoding="utf-8")
    done = simulate("--plot", str(tmp_path / "a.svg"), str(path))
    assert done.returncode == 2
    assert done.stderr == f'lodge: {path}: there is no member "colour"\n'
    assert [p.name for p in tmp_path.iterdir()] == ["wrong.json"]


def test_the_documentation_names_every_member_of_a_scenario():
    code = (SCENARIOS.parent / "scenario.c").read_text(encoding="utf-8")
    known = set(re.findall(r'\{ "([a-z_]+)", ', code)) | set(re.findall(r"SIZE\(scenario_\w+, (\w+), ", code))
    page = (TOP / "docs/simulate.md").read_text(encoding="utf-8")
    assert len(known) > 20 and [name for name in sorted(known) if f"`{name}`" not in page] == []
