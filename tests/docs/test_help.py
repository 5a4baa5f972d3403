# SPDX-License-Identifier: Apache-2.0
"""The help, the man pages and the completions agree on the verbs and their options."""

import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LODGE = os.environ.get("LODGE", str(TOP / "build" / "lodge"))

COMPLETIONS = {
    "bash": (TOP / "completion/lodge.bash").read_text(encoding="utf-8"),
    "zsh": (TOP / "completion/_lodge").read_text(encoding="utf-8"),
    "fish": (TOP / "completion/lodge.fish").read_text(encoding="utf-8"),
}


def lodge(*args, **kwargs):
    return subprocess.run([LODGE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=False, timeout=60, **kwargs)


def verbs():
    listed = lodge("help").stdout.split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def options(verb):
    """[(letter or None, name, takes a value)] of a verb, by its --help."""
    text = lodge(verb, "--help").stdout.split("\nOptions:\n")[1]
    found = re.findall(r"^  (?:-(.), |    )--([a-z-]+)(?: ([A-Z]+))?", text, re.M)
    return [(letter or None, name, bool(value)) for letter, name, value in found]


def all_options():
    return [(verb, *option) for verb in verbs() for option in options(verb)]


def man_page(name, section=1):
    return (TOP / f"man/{name}.{section}.scd").read_text(encoding="utf-8")


def zsh_part(verb):
    match = re.search(rf"^\t{verb}\)(.*?);;$", COMPLETIONS["zsh"], re.M | re.S)
    return match[1] if match else ""


def bash_part(verb):
    match = re.search(rf"^\t{verb}\) options='(.*)' ;;$", COMPLETIONS["bash"], re.M)
    return match[1].split() if match else []


def test_help_lists_verbs():
    assert {"run", "ps", "show", "console", "stop", "kill", "doctor"} <= set(verbs())


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help(verb):
    by_option, by_verb = lodge(verb, "--help"), lodge("help", verb)
    assert by_option.returncode == 0 and by_option.stdout.startswith(f"Usage: lodge {verb}")
    assert by_option.stderr == ""
    assert by_verb.stdout == by_option.stdout


@pytest.mark.parametrize("verb", ["show", "explain", "pause", "resume", "stop", "kill"])
def test_all_is_every_guest(verb):
    assert re.search(r"--all +every guest$", lodge(verb, "--help").stdout, re.M)


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_a_man_page_that_is_built_and_linked(verb):
    assert man_page(f"lodge-{verb}").startswith(f"lodge-{verb}(1)\n")
    assert f"'lodge-{verb}.1'" in (TOP / "man/meson.build").read_text(encoding="utf-8")
    assert f"*lodge-{verb}*(1)" in man_page("lodge")


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_completed(verb):
    listed = re.search(r"local verbs='(.*)'", COMPLETIONS["bash"])[1].split()
    assert verb in listed
    assert re.search(rf"^\t\t[\"']{verb}:", COMPLETIONS["zsh"], re.M)
    assert re.search(rf" -a {verb} ", COMPLETIONS["fish"])


@pytest.mark.parametrize("verb,letter,name,value", all_options())
def test_every_option_is_in_the_man_page(verb, letter, name, value):
    short = f"*-{letter}*, " if letter else ""
    end = r" _[A-Z]+_" if value else ""
    assert re.search(rf"^{re.escape(short)}\*--{name}\*{end}$", man_page(f"lodge-{verb}"), re.M)


@pytest.mark.parametrize("verb,letter,name,value", all_options())
def test_every_option_is_completed(verb, letter, name, value):
    assert f"--{name}" in bash_part(verb)
    zsh = zsh_part(verb)
    # help, all and json are written once, as arrays.
    shared = {"help": "$help", "all": "$all", "json": "$json"}.get(name)
    long = f"--{name}{'=' if value else ''}"
    spec = f"{{-{letter},{long}}}" if letter else rf"{long}["
    assert (shared and shared in zsh) or spec in zsh
    where = rf"(\$verbs|[a-z ]*\b{verb}\b[a-z ]*)"
    short = f" -s {letter}" if letter else ""
    assert re.search(rf"from {where}\"{short} -l {name}\b", COMPLETIONS["fish"])


@pytest.mark.parametrize("verb", verbs())
def test_no_completion_offers_what_is_not_there(verb):
    assert sorted(bash_part(verb)) == sorted(f"--{name}" for _, name, _ in options(verb))
    named = set(re.findall(r"[,'\"]--([a-z-]+)", zsh_part(verb)))
    assert named <= {name for _, name, _ in options(verb)}


@pytest.mark.parametrize("verb", verbs())
def test_man_pages_have_no_option_that_is_not_there(verb):
    named = set(re.findall(r"^(?:\*-.\*, )?\*--([a-z-]+)\*", man_page(f"lodge-{verb}"), re.M))
    assert named == {name for _, name, _ in options(verb)}


@pytest.mark.parametrize("page", sorted((TOP / "man").glob("*.scd")), ids=lambda p: p.name)
def test_man_pages_are_well_formed(page):
    with open(page, encoding="utf-8") as text:
        done = subprocess.run(["scdoc"], stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False)
    assert done.returncode == 0, done.stderr


def test_the_exit_statuses_are_the_same_everywhere():
    numbers = set(re.findall(r"ERR_\w+ = (\d+)", (TOP / "base/err.h").read_text(encoding="utf-8")))
    manual = set(re.findall(r"^\*(\d+)\*$", man_page("lodge"), re.M))
    page = (TOP / "docs/exit-status.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| (\d+) \|", page, re.M))
    assert manual == documented == numbers | {"0"}


def one_line(done):
    return done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("args,hint", [
    ((), "lodge help"),
    (("runn",), "did you mean run?"),
    (("help", "stpo"), "did you mean stop?"),
    (("--verbose",), "lodge help"),
    (("run",), "--kernel"),
    (("run", "--kernle", "x"), "did you mean --kernel?"),
    (("run", "--kernel"), "needs a value"),
    (("run", "-Z"), "no option -Z"),
    (("run", "vmlinuz"), "takes no operands (the kernel is --kernel FILE)"),
    (("ps", "--json=yes"), "takes no value"),
    (("show",), "needs the name"),
    (("explain",), "needs the name"),
    (("explain", "--all", "a"), "takes only"),
    (("show", "--all", "a"), "takes only"),
    (("host", "a"), "takes no operands"),
    (("stop",), "or --all"),
    (("stop", "--all", "a"), "takes only"),
    (("stop", "--timeout", "soon", "a"), "whole number"),
    (("stop", "--timeout=99999999999", "a"), "more than"),
    (("console", "--escape=x", "a"), "is no key"),
    (("show", "--", "--json"), "can't be a guest's name"),
    (("show", "../a"), "can't be a guest's name"),
    (("run", "--kernel=/dev/null", "--memory=12Q"), "is not a size"),
    (("run", "--kernel=/dev/null", "--memory=250T"), "more than"),
    (("run", "--kernel=/dev/null", "--cpus=0"), "cpus"),
    (("run", "--kernel=/dev/null", "--cpus=many"), "whole number"),
    (("run", "--kernel=/dev/null", "--boot=fast"), "auto, unpack or direct"),
    (("run", "--kernel=/dev/null", "--on-reset=what"), "restart or stop"),
    (("run", "--kernel=/dev/null", "--name=a/b"), "can't be a guest's name"),
    (("run", "--config=/nowhere/file"), "/nowhere/file"),
    (("run", "--config=/"), "--config: /"),
    (("run", "--config=/dev/null/file"), "/dev/null/file"),
    (("run", "--config=/" + "x" * 256), "/" + "x" * 256),
    (("run", "--config=/dev/zero"), "larger than"),
])
def test_wrong_usage_is_one_line_that_says_what_to_do(args, hint, tmp_path):
    done = lodge(*args, env={**os.environ, "LODGE_RUNTIME_DIR": str(tmp_path)})
    assert done.returncode == 2, done
    assert one_line(done) and hint in done.stderr, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("text,hint", [
    ("[]", "JSON object"),
    ('{"kernel": 1}', "kernel"),
    ('{"kernel": "x", "colour": 1}', "colour"),
    ('{"kernel": "x",\n', "line 2"),
    ('{"kernel": "x", "kernel": "y"}', "line 1"),
    ('{"kernel": "x", "memory": "much"}', "memory"),
])
def test_a_wrong_configuration_is_named_with_its_file(text, hint, tmp_path):
    path = tmp_path / "guest.json"
    path.write_text(text, encoding="utf-8")
    done = lodge("run", "--config", str(path), env={**os.environ, "LODGE_RUNTIME_DIR": str(tmp_path)})
    assert done.returncode == 2
    assert one_line(done) and str(path) in done.stderr and hint in done.stderr, done.stderr


@pytest.mark.parametrize("verb", ["show", "explain", "console", "stop", "kill", "pause", "resume", "wait"])
def test_a_guest_that_is_not_there_is_named(verb, tmp_path):
    done = lodge(verb, "nobody", env={**os.environ, "LODGE_RUNTIME_DIR": str(tmp_path)})
    assert done.returncode == 3
    assert done.stderr == "lodge: no guest named nobody\n"


def lodged(*args, **kwargs):
    return subprocess.run([LODGE + "d", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=False, timeout=60, **kwargs)


def test_the_governors_options_are_those_of_its_man_page():
    helped = lodged("--help")
    assert helped.returncode == 0 and helped.stdout.startswith("Usage: lodged ")
    offered = re.findall(r"^  -(.), --([a-z-]+)(?: ([A-Z]+))? ", helped.stdout, re.M)
    page = re.findall(r"^\*-(.)\*, \*--([a-z-]+)\*(?: _([A-Z]+)_)?$", man_page("lodged", 8), re.M)
    assert len(offered) == 6 and offered == page
    assert "'lodged.8'" in (TOP / "man/meson.build").read_text(encoding="utf-8")
    assert "*lodged*(8)" in man_page("lodge")


def test_the_governors_exit_statuses_are_those_of_lodge():
    listed = set(re.findall(r"^\*(\d+)\*$", man_page("lodged", 8), re.M))
    assert listed <= set(re.findall(r"^\*(\d+)\*$", man_page("lodge"), re.M))


def test_the_governor_says_its_version():
    assert lodged("--version").stdout == "lodged " + lodge("version").stdout.split()[1] + "\n"


@pytest.mark.parametrize("args,hint", [
    (("--twice",), "no such option: --twice"),
    (("--interval",), "a value is missing after --interval"),
    (("--interval", "0"), "from 1 to 3600, not 0"),
    (("--interval", "-1"), "from 1 to 3600, not -1"),
    (("--interval", "soon"), "not soon"),
    (("now",), "takes no operands, such as now"),
])
def test_the_governors_wrong_usage_is_one_line(args, hint):
    done = lodged(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("lodged: ") and done.stderr.count("\n") == 1
    assert hint in done.stderr and "lodged --help" in done.stderr


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LODGE, "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 11
    assert one_line(done) and "No space left" in done.stderr


def test_a_closed_standard_output_is_an_error():
    done = subprocess.run(["sh", "-c", f"exec {LODGE} help >&-"], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert one_line(done)


def test_a_closed_pipe_is_an_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([LODGE, "help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 1
    assert one_line(done) and "Broken pipe" in done.stderr


def test_the_program_needs_only_the_libraries_it_says():
    listed = subprocess.run(["readelf", "-d", LODGE], stdout=subprocess.PIPE, text=True, check=True).stdout
    needed = {name.split(".so")[0] for name in re.findall(r"NEEDED.*\[(.*)\]", listed)}
    assert needed <= {"libc", "libjansson", "liburing", "libseccomp", "libcap-ng", "libzstd", "liblzma", "liblz4"}
