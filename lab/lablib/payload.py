# SPDX-License-Identifier: Apache-2.0
"""What a run brings along: the repository, the build, guests' kernels and initrds, --with files, the order.

A squashfs in an anonymous file that the machine sees as its second NVDIMM, with the order at its end
(agent.c says how it is laid out).
"""

import fnmatch
import os
import re
import struct
import subprocess
import time

from .squash import squash
from .common import LabError, REPOSITORY, cache_dir, read_text
from .machine import PAYLOAD_SIZE, SWAP_SIZE, open_anonymous

ORDER_SIZE = 1 << 20
ORDER_MAGIC = b"lodgelab"
ORDER_TTY, ORDER_WARM, ORDER_SWAP, ORDER_DISK = 1, 2, 4, 8

# Of the repository: what git or a tool made for itself.
NOT_SOURCES = [".git", "__pycache__", ".pytest_cache", ".hypothesis", "build", "build-*"]
# Of the build: what only the compiler and meson need.
NOT_PRODUCTS = ["*.p", "*.a", "*.o", "*.d", "meson-*", ".ninja*", "build.ninja", "compile_commands.json", "fuzz", "__pycache__"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_VARIABLES = ("TERM", "COLORTERM", "PYTEST_ADDOPTS", "HYPOTHESIS_PROFILE", "TZ")


def walk(top, unwanted=()):
    """A file, or everything in a directory, in a fixed order."""
    if not os.path.isdir(top) or os.path.islink(top):
        yield top
        return
    yield top
    try:
        entries = sorted(os.listdir(top))
    except OSError:
        return
    for entry in entries:
        if not any(fnmatch.fnmatch(entry, pattern) for pattern in unwanted):
            yield from walk(os.path.join(top, entry), unwanted)


def guests():
    """The guests' kernels and initrds in the cache."""
    kernels = os.path.join(cache_dir(), "kernels")
    if os.path.isdir(kernels):
        for flavour in sorted(os.listdir(kernels)):
            path = os.path.join(kernels, flavour)
            if flavour.startswith("."):
                continue
            if os.path.islink(path):
                yield path
            for name in ("vmlinuz", "version"):
                if not os.path.islink(path) and os.path.exists(os.path.join(path, name)):
                    yield os.path.join(path, name)
    initrds = os.path.join(cache_dir(), "guests")
    if os.path.isdir(initrds):
        for name in sorted(os.listdir(initrds)):
            if name.endswith(".initrd"):
                yield os.path.join(initrds, name)


def is_program(path):
    """A dynamically linked program or library, as far as its first bytes tell."""
    try:
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            return False
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def libraries(programs):
    """The shared libraries of programs, as this machine's loader finds them."""
    if not programs:
        return []
    # Static programs make ldd fail; what it prints for the others is all that counts.
    done = subprocess.run(["ldd", *programs], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return sorted(set(re.findall(r"(/\S+) \(0x", done.stdout.decode(errors="replace"))))


def fill(tree, build, extra, in_base):
    programs = []
    for path in walk(REPOSITORY, NOT_SOURCES):
        tree.path(path)
    for path in walk(build, NOT_PRODUCTS):
        tree.path(path)
        # The unit tests' libraries are in the base image; asking the loader about each takes time.
        if os.path.dirname(path) == build and is_program(path):
            programs.append(path)
    for path in guests():
        tree.path(path)
    for top in extra:
        for path in walk(top):
            tree.path(path, path)
            if is_program(path):
                programs.append(path)
    for library in libraries(programs):
        real = tree.real(library)
        if real in in_base:
            continue
        tree.path(library)
        if os.path.islink(library):
            tree.path(os.path.realpath(library))


def environment(build, assignments):
    variables = {
        "PATH": f"{build}:{PATH}",
        "HOME": "/root",
        "USER": "root",
        "LANG": "C.UTF-8",
        "LODGE_BUILD": build,
        "LODGE_LAB": "1",
    }
    for name, value in os.environ.items():
        if name in PASSED_VARIABLES or (name.startswith("LODGE_") and name not in variables):
            variables[name] = value
    variables["LODGE_CACHE"] = cache_dir()
    variables.update(assignments)
    return variables


def order(options, flags, rows=0, columns=0):
    """The last ORDER_SIZE bytes of the payload."""
    directory = os.getcwd()
    inside = [REPOSITORY, *[path for path in options.extra if os.path.isdir(path)]]
    if not any(os.path.commonpath([directory, top]) == top for top in inside):
        directory = REPOSITORY
    variables = environment(options.build, options.environment)
    strings = [directory, *options.command, *[f"{name}={value}" for name, value in sorted(variables.items())]]
    # When counting, the clock is one of the things that must be the same in every run.
    realtime = 0 if options.count else int(time.time() * 1e6)
    head = struct.pack("<8sIIIHHQ", ORDER_MAGIC, flags, len(options.command), len(variables), rows, columns, realtime)
    data = head + b"".join(os.fsencode(string) + b"\0" for string in strings)
    if len(data) > ORDER_SIZE:
        raise LabError("the command line is too long for the lab (1 MiB with the environment)", 2)
    return data.ljust(ORDER_SIZE, b"\0")


def make(options, base, flags, rows, columns):
    """A descriptor of the finished payload."""
    fd = open_anonymous("payload", 0)
    in_base = base.names()
    squash(f"/proc/self/fd/{fd}", lambda tree: fill(tree, options.build, options.extra, in_base), [fd])
    size = os.fstat(fd).st_size
    if size > PAYLOAD_SIZE - ORDER_SIZE:
        raise LabError(f"the run brings {size >> 20} MiB along, but the lab takes {(PAYLOAD_SIZE - ORDER_SIZE) >> 20}; see --with")
    os.truncate(fd, PAYLOAD_SIZE)
    os.pwrite(fd, order(options, flags, rows, columns), PAYLOAD_SIZE - ORDER_SIZE)
    return fd


def nameless(size):
    """A sparse file of the cache without a name, so that nothing is left behind. On disk: it may be larger than this machine's memory."""
    fd = os.open(os.path.join(cache_dir(), "lab"), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.truncate(fd, size)
    return fd


def available_memory():
    """Bytes of this machine's memory that can be had without swapping."""
    return int(re.search(r"^MemAvailable:\s+(\d+) kB$", read_text("/proc/meminfo"), re.M)[1]) << 10


def make_swap(size):
    """A descriptor of the NVDIMM to swap to: SWAP_SIZE long, with a swap signature (mkswap's version 1) for `size` bytes, if any."""
    # Memory is what an NVDIMM is, and is taken as it is swapped to. Where there may be too little, it is a file, whose
    # pages cost several times as much when they are first written to.
    fd = nameless(SWAP_SIZE) if size > available_memory() // 2 else open_anonymous("swap", SWAP_SIZE)
    if not size:
        return fd
    os.pwrite(fd, struct.pack("<III", 1, size // 4096 - 1, 0), 1024)
    os.pwrite(fd, b"SWAPSPACE2", 4086)
    return fd


def make_disk(size):
    """A descriptor of an empty disk, or of a token one."""
    return nameless(size) if size else open_anonymous("disk", 1 << 20)
