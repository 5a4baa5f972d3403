# SPDX-License-Identifier: Apache-2.0
"""The stages of tools/check: what each runs, and how its tests are counted.

A stage is a function that gets a Run (its log and a way to run commands in it) and returns a Tally.
A stage that finds nothing to run has failed: a check that silently checks nothing is worse than
none.
"""

import concurrent.futures
import dataclasses
import glob
import json
import os
import re
from typing import Callable

import builds

PYTHON = "/usr/bin/python3"
FUZZ_SECONDS = 20
# The guests that the system tests boot.
GUESTS = ["6.1-cloud", "6.12-cloud", "6.12-generic"]
# For all the system tests; below what tools/check gives a stage, so that the lab says why it ended.
LAB_SECONDS = 2100
# The labs that share the system tests. Two with one CPU each keep both processors of a small
# machine busy, and no emulated CPU changes code that another is running.
SHARDS = 2
# A lab in which no test has ended for so long, seconds, stands still: at times an emulated processor misses its
# timer for good (docs/lab.md). The longest test takes two minutes, on a busy machine. It's tried once more.
STILL = 330
STOOD_STILL = 124  # the status then
SHARD_TRIES = 2
SHARD_LAB = ["lab/run", "--cpus", "1", "--memory", "4G", "--swap", "2G", "--disk", "256M"]

# Folders whose C files aren't ours to judge.
FOREIGN = {"uapi"}


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


@dataclasses.dataclass
class Stage:
    name: str
    what: str
    run: Callable
    track: str  # stages of one track run one after the other, tracks side by side


def one(good, note=""):
    """The tally of a stage that is one test."""
    return Tally(passed=1 if good else 0, failed=0 if good else 1, note=note)


def nothing(what):
    return Tally(failed=1, note=f"nothing to run: {what}")


def tree_files(wanted):
    """Paths, from the top of the tree, of the files that are ours and for which wanted() holds."""
    found = []
    for directory, folders, files in os.walk(builds.TOP):
        if directory == builds.TOP:
            folders[:] = [f for f in folders if f not in FOREIGN and not f.startswith("build")]
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in files:
            path = os.path.relpath(os.path.join(directory, name), builds.TOP)
            if wanted(path):
                found.append(path)
    return sorted(found)


def is_c(path):
    return path.endswith((".c", ".h"))


def is_shell_script(path):
    if os.path.splitext(path)[1] not in ("", ".sh"):
        return False
    with open(builds.path(path), "rb") as file:
        first = file.readline(80)
    return bool(re.match(rb"#!.*\b(ba)?sh\b", first))


def in_pieces(paths):
    """Runs of paths, so that as many processes as there are processors get work."""
    size = max(1, min(20, -(-len(paths) // builds.JOBS)))
    return str(size)


# Set-up and static checks


def setup(run):
    return one(run("tools/setup") == 0)


def layers(run):
    return one(run("tools/check-layers") == 0)


def clang_format(run):
    files = tree_files(is_c)
    command = ["xargs", "-P", str(builds.JOBS), "-n", in_pieces(files)]
    command += ["clang-format", "--dry-run", "-Werror"]
    return one(run(*command, given="\n".join(files)) == 0, f"{len(files)} files")


def shellcheck(run):
    files = tree_files(is_shell_script)
    if not files:
        return nothing("no shell scripts")
    # SC2187 says that busybox's shell is checked as dash, which is what it is.
    command = ["shellcheck", "--severity=warning", "--exclude=SC2187"]
    return one(run(*command, *files) == 0, f"{len(files)} scripts")


def split_sources(run, name):
    """Our C files: those that a build directory compiles, and the others (guests, fuzz targets)."""
    run.build(name, [])
    with open(builds.path(f"{name}/compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    known = {os.path.normpath(os.path.join(e["directory"], e["file"])) for e in entries}
    ours = [builds.path(p) for p in tree_files(lambda p: p.endswith(".c"))]
    return [p for p in ours if p in known], [p for p in ours if p not in known]


# For the files that no build directory says anything of.
LOOSE_FLAGS = ["-D_GNU_SOURCE", "-I.", "-Iuapi"]


def cppcheck(run):
    compiled, loose = split_sources(run, "build")
    cache = builds.path("build-check/cppcheck")
    os.makedirs(cache, exist_ok=True)
    command = [
        "cppcheck",
        "--enable=warning,performance,portability",
        "--std=c11",
        "--library=posix",  # and not gnu: its accept4() forbids what the manual allows
        "--inline-suppr",
        "--suppressions-list=tools/cppcheck-suppressions",
        "--error-exitcode=1",
        "--quiet",
        f"-j{builds.JOBS}",
    ]
    project = ["--project=build/compile_commands.json", f"--cppcheck-build-dir={cache}"]
    good = run(*command, *project) == 0
    if loose:
        good = run(*command, *LOOSE_FLAGS, *loose) == 0 and good
    return one(good, f"{len(compiled) + len(loose)} files")


def clang_tidy(run):
    compiled, loose = split_sources(run, "build-clang")
    tidy = ["xargs", "-P", str(builds.JOBS), "-n", "1"]
    database = ["clang-tidy", "--quiet", "-p", builds.path("build-clang")]
    good = run(*tidy, *database, given="\n".join(compiled)) == 0
    if loose:
        # clang-tidy takes the compiler's flags after the file, so the file goes in by name.
        flags = ["clang-tidy", "--quiet", "{}", "--", "-std=gnu17", *LOOSE_FLAGS]
        in_place = ["xargs", "-P", str(builds.JOBS), "-I", "{}"]
        good = run(*in_place, *flags, given="\n".join(loose)) == 0 and good
    return one(good, f"{len(compiled) + len(loose)} files")


def analyzer(run):
    run.build("build-analyzer", ["build.ninja"])
    # Tests are left out: cmocka's assertions leave by longjmp(), which the analyzer doesn't see.
    names = []
    for target in builds.targets("build-analyzer"):
        defined = os.path.relpath(os.path.dirname(target["defined_in"]), builds.TOP)
        if target["type"] in ("static library", "executable") and not defined.startswith("tests"):
            names.append(os.path.relpath(target["filename"][0], builds.path("build-analyzer")))
    if not names:
        return nothing("no targets outside tests/")
    run.build("build-analyzer", names)
    return one(True, f"{len(names)} libraries and programs")


def build_gcc(run):
    run.build("build", [])
    return one(True)


def build_clang(run):
    run.build("build-clang", [])
    return one(True)


# Tests


def count_cmocka(text):
    """Passed, failed and skipped test functions in what a cmocka program said."""
    passed = len(re.findall(r"^\[\s+OK\s+\] ", text, re.M))
    skipped = len(set(re.findall(r"^\[\s+SKIPPED\s+\] (?!\d+ test)(\S+)", text, re.M)))
    failed = len(set(re.findall(r"^\[\s+FAILED\s+\] (?!\d+ test)(\S+)", text, re.M)))
    return passed, failed, skipped


def count_meson(log_file):
    tally = Tally()
    with open(log_file, encoding="utf-8") as file:
        results = [json.loads(line) for line in file]
    for result in results:
        text = result.get("stdout", "") + "\n" + result.get("stderr", "")
        passed, failed, skipped = count_cmocka(text)
        bad = result["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")
        # A program that crashed, timed out or ran no test function is a failure of its own.
        if bad or passed + failed + skipped == 0:
            failed = max(failed, 1)
        tally.passed += passed
        tally.failed += failed
        tally.skipped += skipped
    tally.note = f"{len(results)} programs"
    return tally


def meson_tests(run, name):
    run.build(name, [])
    log_file = builds.path(f"{name}/meson-logs/testlog.json")
    if os.path.exists(log_file):
        os.remove(log_file)
    run("meson", "test", "-C", builds.path(name), "--no-rebuild", "--print-errorlogs")
    if not os.path.exists(log_file):
        return nothing("meson ran no tests")
    return count_meson(log_file)


def unit(run):
    return meson_tests(run, "build")


def sanitize(run):
    return meson_tests(run, "build-sanitize")


def fuzz(run):
    status = run("tools/fuzz", "all", str(FUZZ_SECONDS))
    last = re.findall(r"^(\d+) passed, (\d+) failed$", run.text(), re.M)
    if not last:
        return Tally(failed=1)
    passed, failed = (int(n) for n in last[-1])
    if status and not failed:
        failed = 1
    return Tally(passed, failed, note=f"{FUZZ_SECONDS} s each")


def count_pytest(text, status):
    """The tally of pytest's last line, such as "3 passed, 1 skipped in 0.12s"."""
    tally = Tally()
    summary = re.findall(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b.*$", text, re.M)
    for count, word in re.findall(r"(\d+) ([a-z]+)", summary[-1] if summary else ""):
        if word in ("passed", "xfailed"):
            tally.passed += int(count)
        elif word in ("failed", "error", "errors", "xpassed"):
            tally.failed += int(count)
        elif word == "skipped":
            tally.skipped += int(count)
    if status and not tally.failed:
        tally.failed = 1
    if tally.passed + tally.failed == 0:
        return nothing("pytest ran no test")
    return tally


def has_tests(folder):
    return bool(glob.glob(builds.path(f"{folder}/**/test_*.py"), recursive=True))


def pytest_command(*arguments):
    quiet = ["-p", "no:cacheprovider", "-q", "-ra", "--durations=5"]
    return [PYTHON, "-B", "-m", "pytest", *quiet, *arguments]


def pytest(run, folder, *wrapper):
    if not has_tests(folder):
        return nothing(f"no tests in {folder}")
    status = run(*wrapper, *pytest_command(folder))
    return count_pytest(run.text(), status)


def run_shard(run, folder, which):
    """One of SHARDS labs with its part of the tests: its tally, and what it said."""
    path = f"{os.path.splitext(run.path)[0]}-{which}.log"
    # To a log of its own: two that write at the same time can't share one.
    into = ["sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", path]
    wrapper = [*SHARD_LAB, "--timeout", str(LAB_SECONDS), "--"]
    for left in reversed(range(SHARD_TRIES)):
        status = run(*into, *wrapper, *pytest_command(f"--shard={which}/{SHARDS}", folder), watched=path)
        if status != STOOD_STILL or left == 0:
            break
        with open(path, encoding="utf-8", errors="replace") as file:
            run.say(f"--- shard {which} stood still, and is tried once more; it had said\n{file.read()}")
    with open(path, "a+", encoding="utf-8", errors="replace") as file:
        file.seek(0)
        text = file.read()
    return count_pytest(text, status), text


def pytest_in_shards(run, folder):
    if not has_tests(folder):
        return nothing(f"no tests in {folder}")
    with concurrent.futures.ThreadPoolExecutor(SHARDS) as pool:
        done = list(pool.map(lambda which: run_shard(run, folder, which), range(1, SHARDS + 1)))
    total = Tally(note=f"{SHARDS} labs")
    # The end of the log is what is shown: who failed comes last.
    for which, (tally, text) in sorted(enumerate(done, 1), key=lambda shard: shard[1][0].failed):
        run.say(f"--- shard {which} of {SHARDS}: {tally.note}".rstrip(": ") + f"\n{text}")
        total.passed += tally.passed
        total.failed += tally.failed
        total.skipped += tally.skipped
    return total


def docs(run):
    run.build("build", [])
    return pytest(run, "tests/docs")


def tools(run):
    return pytest(run, "tests/tools")


def kvm_is_usable(run):
    run.build("build", [])
    return run("lab/usable-kvm") == 0


def prepare(run):
    """Makes what the tests in the lab would otherwise make while their clocks run."""
    shapes = [["lab/run"], ["lab/run", "--count"]]  # those of tests/lab
    if not kvm_is_usable(run):
        shapes.append(SHARD_LAB)
    made = [run("guest/initrd", flavour) == 0 for flavour in GUESTS]
    made += [run(*shape, "--prepare") == 0 for shape in shapes]
    return one(all(made))


def system(run):
    if kvm_is_usable(run):
        return pytest(run, "tests/system", "lab/auto")
    return pytest_in_shards(run, "tests/system")


def lab(run):
    run.build("build", [])
    return pytest(run, "tests/lab")


# In this order. "first" is done before the other tracks begin.
STAGES = [
    Stage("setup", "missing packages", setup, "first"),
    Stage("layers", "who includes whom", layers, "first"),
    Stage("format", "clang-format", clang_format, "first"),
    Stage("shell", "shellcheck", shellcheck, "first"),
    Stage("build", "gcc, no warnings", build_gcc, "first"),
    Stage("clang", "clang, no warnings", build_clang, "static"),
    Stage("unit", "unit tests", unit, "static"),
    Stage("sanitize", "unit tests, ASan and UBSan", sanitize, "static"),
    Stage("tools", "tests of the tools", tools, "static"),
    Stage("docs", "tests of the documentation", docs, "static"),
    Stage("cppcheck", "cppcheck", cppcheck, "static"),
    Stage("tidy", "clang-tidy", clang_tidy, "static"),
    Stage("analyzer", "gcc -fanalyzer", analyzer, "static"),
    Stage("fuzz", "libFuzzer, ASan and UBSan", fuzz, "static"),
    Stage("prepare", "the lab and its guests", prepare, "lab"),
    Stage("system", "guests on KVM", system, "lab"),
    Stage("lab", "tests of the lab", lab, "lab"),
]

# Names for several stages.
GROUPS = {
    "lint": ["layers", "format", "shell", "cppcheck", "tidy", "analyzer"],
}
