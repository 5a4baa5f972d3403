# SPDX-License-Identifier: Apache-2.0
"""The build directories that the checks use, and how each is configured.

As a program, `python3 tools/builds.py DIRECTORY [TARGET...]` configures and builds one.

A directory is configured when it isn't there yet, and made anew when what is written here has
changed since. build/ is the exception: it's the developer's own, so once it's there it is left
as it is.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = os.cpu_count() or 1

# gcc 12's analyzer loses track of what is stored in an array at an index it doesn't know: it calls
# pointers there leaks, and zeroed elements uninitialized. ASan's leak checker looks for the former
# in the unit tests and the fuzz targets, clang-tidy for the latter.
ANALYZER_OFF = "-Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value"

# A sanitizer's finding ends the program.
STOP_AT_ERRORS = "-fno-sanitize-recover=all"

# directory: (compiler, meson's options)
BUILDS = {
    "build": ("gcc", []),
    "build-clang": ("clang", []),
    "build-sanitize": (
        "gcc",
        [
            "-Db_sanitize=address,undefined",
            "-Db_lundef=false",
            f"-Dc_args={STOP_AT_ERRORS}",
        ],
    ),
    "build-analyzer": ("gcc", [f"-Dc_args=-fanalyzer {ANALYZER_OFF}"]),
    "build-fuzz": (
        "clang",
        [
            "-Dfuzz=true",
            "-Db_sanitize=address,undefined",
            "-Db_lundef=false",
            f"-Dc_args=-fsanitize=fuzzer-no-link {STOP_AT_ERRORS}",
        ],
    ),
}


class BuildFailed(Exception):
    """Configuring or building failed; the output says why."""


def path(name):
    return os.path.join(TOP, name)


def _run(command, output, env=None):
    # subprocess.run() ends the child when this process is interrupted.
    done = subprocess.run(
        command, cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )
    if done.returncode:
        raise BuildFailed(f"{' '.join(command)}: status {done.returncode}")


def configure(name, output=None):
    compiler, options = BUILDS[name]
    directory = path(name)
    stamp_file = os.path.join(directory, "configured-as.json")
    stamp = [compiler, options]
    if os.path.exists(os.path.join(directory, "build.ninja")):
        if name == "build":
            return
        try:
            with open(stamp_file, encoding="utf-8") as file:
                if json.load(file) == stamp:
                    return
        except (OSError, ValueError):
            pass
    # In a directory whose configuration failed half-way, meson would go on from there.
    shutil.rmtree(directory, ignore_errors=True)
    env = dict(os.environ, CC=compiler)
    _run(["meson", "setup", directory, *options], output, env)
    with open(stamp_file, "w", encoding="utf-8") as file:
        json.dump(stamp, file)


def build(name, targets=(), output=None):
    """Configures and builds. Several may ask for the same directory at once."""
    os.makedirs(path("build-check"), exist_ok=True)
    with open(path(f"build-check/{name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure(name, output)
        _run(["ninja", "-C", path(name), f"-j{JOBS}", "-k0", "--quiet", *targets], output)


def targets(name):
    """What meson knows of each target of a configured directory."""
    done = subprocess.run(
        ["meson", "introspect", "--targets", path(name)],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    try:
        build(sys.argv[1], sys.argv[2:])
    except BuildFailed as error:
        sys.exit(str(error))
