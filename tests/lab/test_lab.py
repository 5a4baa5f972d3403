# SPDX-License-Identifier: Apache-2.0
"""The lab keeps its word: outputs, statuses, limits, exact counting, and nothing left behind.

Runs outside the lab. The tests that need no emulated machine come first.
"""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
RUN = str(REPOSITORY / "lab" / "run")
KERNEL = str(REPOSITORY / "guest" / "kernel")

sys.path.insert(0, str(REPOSITORY / "lab"))

from lablib import initramfs, machine, payload, state  # noqa: E402
from lablib.common import LabError  # noqa: E402

pytestmark = pytest.mark.skipif("LODGE_LAB" in os.environ, reason="there is no lab in the lab")


def lab(*arguments, timeout=1500, **options):
    """Runs lab/run to its end. Waiting for a slot may add what its user sees but not what the command said."""
    done = subprocess.run(
        [RUN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False, **options
    )
    notes = b"waiting for one to end|once to save its state|base image \\(once"
    done.stderr = b"".join(line for line in done.stderr.splitlines(True) if not re.search(notes, line))
    return done


def test_a_boot_that_dies_is_tried_again_and_not_for_ever():
    boots = []

    class Dying(state.State):
        """Dies so many times."""

        def __init__(self, dies):
            self.dies = dies

        def _boot(self):
            boots.append(1)
            if len(boots) <= self.dies:
                raise LabError("the emulated machine ended")

    Dying(state.BOOT_TRIES - 1)._make()
    assert len(boots) == state.BOOT_TRIES
    boots.clear()
    with pytest.raises(LabError):
        Dying(99)._make()
    assert len(boots) == state.BOOT_TRIES


def test_usage_errors_are_one_line_and_status_2():
    for arguments in (
        [],
        ["--bogus", "true"],
        ["--memory", "1", "true"],
        ["--memory", "much", "true"],
        ["--cpus", "0", "true"],
        ["--cpus", "two", "true"],
        ["--swap", "257G", "true"],
        ["--disk", "0", "true"],
        ["--with", "/does/not/exist", "true"],
        ["--with", "/proc/cpuinfo", "true"],
        ["--build", "/does/not/exist", "true"],
        ["--count", "--interactive", "true"],
        ["--prepare", "true"],
        ["--timeout"],
    ):
        done = lab(*arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == b""
        assert done.stderr.startswith(b"lab/run: ") and done.stderr.count(b"\n") == 1, arguments


def test_help_needs_no_machine(tmp_path):
    done = lab("--help", env=dict(os.environ, LODGE_CACHE=str(tmp_path / "none")))
    assert done.returncode == 0
    assert done.stdout.startswith(b"Usage: lab/run")
    assert not (tmp_path / "none").exists()


def test_an_unknown_kernel_flavour_is_a_usage_error():
    done = subprocess.run([KERNEL, "9.9-cloud"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"unknown flavour '9.9-cloud'" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_kernel_that_apt_does_not_offer_says_what_to_do(tmp_path):
    empty = tmp_path / "apt.conf"
    empty.write_text(f'Dir::State::lists "{tmp_path}";\nDir::Cache "{tmp_path}";\nDir::State::status "/dev/null";\n')
    environment = dict(os.environ, LODGE_CACHE=str(tmp_path / "cache"), APT_CONFIG=str(empty))
    done = subprocess.run([KERNEL, "6.12-cloud"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.returncode == 1
    assert b"run: apt-get update" in done.stderr and done.stderr.count(b"\n") == 1
    assert not (tmp_path / "cache" / "kernels" / "6.12-cloud").exists()


def test_frames_come_apart_however_they_arrive():
    stream = machine.Frames.pack("O", b"out") + machine.Frames.pack("E", b"") + machine.Frames.pack("X", b"\0\0\0\0")
    frames = machine.Frames()
    found = []
    for byte in stream:
        found += frames.feed(bytes([byte]))
    assert found == [("O", b"out"), ("E", b""), ("X", b"\0\0\0\0")]
    assert list(machine.Frames().feed(stream)) == found


def test_modules_load_after_what_they_need(tmp_path):
    (tmp_path / "modules.dep").write_text("k/a-b.ko: k/c.ko k/d.ko\nk/c.ko: k/d.ko\nk/d.ko:\n")
    (tmp_path / "modules.builtin").write_text("k/e.ko\n")
    assert initramfs.module_order(str(tmp_path), ["a_b", "e"]) == ["k/d.ko", "k/c.ko", "k/a-b.ko"]
    with pytest.raises(Exception, match="no module f"):
        initramfs.module_order(str(tmp_path), ["f"])


def test_a_state_belongs_to_the_machine_it_was_made_for():
    class Base:
        SIZE = 1 << 30
        vmlinuz, initramfs, key, boot_key = "k", "i", "1", "2"

    keys = {machine.Shape(memory << 30, cpus, count).key(Base) for memory in (1, 2) for cpus in (1, 2) for count in (False, True)}
    assert len(keys) == 8
    other = type("Other", (Base,), {"key": "3"})
    assert machine.Shape(1 << 30, 1, False).key(other) not in keys


@pytest.mark.parametrize("available", [1 << 40, 0], ids=["in memory", "in a file"])
def test_the_swap_has_a_signature_that_the_kernel_takes_and_costs_nothing_yet(monkeypatch, available):
    monkeypatch.setattr(payload, "available_memory", lambda: available)
    (pathlib.Path(payload.cache_dir()) / "lab").mkdir(parents=True, exist_ok=True)
    fd = payload.make_swap(8 << 20)
    try:
        assert os.fstat(fd).st_size == machine.SWAP_SIZE
        assert os.fstat(fd).st_blocks * 512 <= 1 << 20
        done = subprocess.run(
            ["blkid", "-p", "-o", "value", "-s", "TYPE", f"/proc/self/fd/{fd}"], stdout=subprocess.PIPE, pass_fds=[fd], check=False
        )
        assert done.stdout == b"swap\n"
    finally:
        os.close(fd)


def test_outputs_stay_apart_and_the_status_comes_back():
    done = lab("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)


def test_output_is_binary_safe_and_whole():
    done = lab("python3", "-c", "import os; os.write(1, bytes(range(256)) * 8192)")
    # One write to a pipe may be cut short by the kernel only if it doesn't fit; python3 was told to write once.
    assert done.returncode == 0
    assert done.stdout and done.stdout == (bytes(range(256)) * 8192)[: len(done.stdout)]
    done = lab("head", "-c", "3000000", "/dev/zero")
    assert done.stdout == bytes(3000000)


def test_a_command_that_is_not_there_gives_127_and_one_killed_128_and_its_signal():
    done = lab("/no/such/program")
    assert done.returncode == 127
    assert done.stderr == b"lab/run: /no/such/program: No such file or directory\n"
    assert lab("sh", "-c", "kill -9 $$").returncode == 137


def test_the_host_is_what_tests_need():
    script = """
        set -e
        test -c /dev/kvm
        test "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs
        for c in cpu memory io pids; do grep -qw $c /sys/fs/cgroup/cgroup.subtree_control; done
        test -d /sys/kernel/debug/kvm
        test -e /sys/kernel/tracing/trace
        grep -q '\\[madvise\\]' /sys/kernel/mm/transparent_hugepage/enabled
        test -w /sys/kernel/mm/ksm/run
        test -e /proc/pressure/memory
        modprobe -a zram tun vhost-net vhost-vsock squashfs overlay loop 9p dm-mod
        ldconfig -p | grep -q libjansson
        qemu-system-x86_64 -accel help | grep -q kvm
        python3 -m pytest --version
        test "$LODGE_CACHE" = "$EXPECTED"
        pwd
    """
    cache = os.environ.get("LODGE_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lodge")
    done = lab("--env", f"EXPECTED={cache}", "bash", "-c", script, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1] == str(REPOSITORY)


def test_memory_cpus_and_swap_are_as_asked_for():
    done = lab("--swap", "64M", "sh", "-c", "nproc; awk '/^MemTotal|^SwapTotal/ {print $2}' /proc/meminfo; tail -n +2 /proc/swaps")
    assert done.returncode == 0, done.stderr
    cpus, memory, swap, *swaps = done.stdout.decode().split()
    assert int(cpus) == 2
    # The swap's NVDIMM is many times larger than the RAM, none of which may go into describing its pages.
    assert 3.5 * (1 << 20) < int(memory) <= 4 << 20
    assert int(swap) == (64 << 10) - 4
    assert re.fullmatch(r"/dev/pmem\d", swaps[0]) and swaps[2] == swap and len(swaps) == 5


def test_a_disk_is_empty_and_as_large_as_asked_for_and_there_is_none_unasked():
    script = "cat /sys/block/vda/size; cmp -n 8388608 /dev/vda /dev/zero; mkswap -q /dev/vda && swapon /dev/vda && cat /proc/swaps"
    done = lab("--disk", "8M", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0] == str((8 << 20) // 512)
    assert lines[-1].split()[:3] == ["/dev/vda", "partition", str((8 << 10) - 4)]
    assert lab("ls", "/dev/vda").returncode != 0


def test_files_come_along_at_their_path_and_changes_stay_inside(tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "file").write_text("before")
    (tmp_path / "link").symlink_to("directory/file")
    done = lab("--with", str(tmp_path), "sh", "-c", f"cat {tmp_path}/link; echo after >{tmp_path}/directory/file; cat {tmp_path}/link")
    assert (done.stdout, done.returncode) == (b"beforeafter\n", 0), done.stderr
    assert (tmp_path / "directory" / "file").read_text() == "before"


def test_a_hang_ends_with_124_and_says_where_to_look():
    done = lab("--timeout", "1", "sleep", "1000")
    assert done.returncode == 124
    assert b"did not end within 1 s" in done.stderr and done.stderr.count(b"\n") == 1
    log = re.search(rb"tasks: (\S+)\)", done.stderr)
    assert log and "sleep" in pathlib.Path(log[1].decode()).read_text()


def test_a_panic_of_the_lab_is_no_result_of_the_command():
    done = lab("sh", "-c", "echo c >/proc/sysrq-trigger")
    assert done.returncode == 125
    assert b"sysrq" in done.stderr.lower()


def children(pid):
    done = subprocess.run(["pgrep", "-P", str(pid), "-f", "lodge-lab"], stdout=subprocess.PIPE, check=False)
    return [int(word) for word in done.stdout.split()]


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_machine_never_outlives_its_caller(number):
    with subprocess.Popen([RUN, "sh", "-c", "echo up; sleep 1000"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"up\n"
        machines = children(process.pid)
        assert len(machines) == 1
        process.send_signal(number)
        status = process.wait(60)
        assert status == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not os.path.exists(f"/proc/{machines[0]}"))


def test_a_third_lab_waits_for_one_of_two():
    command = [RUN, "sh", "-c", "echo up; sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first, subprocess.Popen(command, stdout=subprocess.PIPE) as second:
        try:
            assert first.stdout.readline() == b"up\n"
            assert second.stdout.readline() == b"up\n"
            with subprocess.Popen([RUN, "echo", "third"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as third:
                assert b"waiting for one to end" in third.stderr.readline()
                first.terminate()
                assert third.stdout.read() == b"third\n"
        finally:
            first.terminate()
            second.terminate()


def test_a_shell_has_a_terminal():
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(REPOSITORY / "lab" / "shell"), ["lab/shell", "--", "sh", "-c", "tty; read word; echo got-$word; exit 9"])
    seen = b""
    told = False
    try:
        while True:
            assert select.select([fd], [], [], 300)[0]
            seen += os.read(fd, 4096)
            if b"/dev/pts/" in seen and not told:
                os.write(fd, b"word\r")
                told = True
    except OSError:
        pass
    assert b"got-word" in seen
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

static volatile char memory[4 << 20];

int main(void)
{
	uint64_t before = __rdtsc();
	for (unsigned i = 0; i < sizeof(memory); i++)
		memory[i] = (char)i;
	printf("%llu %llu\n", (unsigned long long)(__rdtsc() - before), (unsigned long long)before);
	return 0;
}
"""


# Goes through 16 MiB that the kernel has swapped, which it reads back page by page.
SWAPPING_PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <x86intrin.h>

#define SIZE (16u << 20)

int main(void)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rusage usage;
	uint64_t before = __rdtsc();

	for (unsigned i = 0; i < SIZE; i += 64)
		memory[i] = (char)(i / 64);
	if (madvise(memory, SIZE, MADV_PAGEOUT))
		return 1;
	for (unsigned i = 0; i < SIZE; i += 64)
		if (memory[i] != (char)(i / 64))
			return 2;
	before = __rdtsc() - before;
	getrusage(RUSAGE_SELF, &usage);
	printf("%llu %ld\n", (unsigned long long)before, usage.ru_majflt);
	return 0;
}
"""


def three_counts(tmp_path, program, *options):
    """What a program prints, in a set of what three runs printed."""
    (tmp_path / "count.c").write_text(program)
    subprocess.run(["gcc", "-O1", "-o", tmp_path / "count", tmp_path / "count.c"], check=True)
    # An empty build and one program: other files that change meanwhile would move the absolute count.
    runs = [lab("--count", "--build", str(tmp_path), *options, str(tmp_path / "count")) for _ in range(3)]
    assert all(run.returncode == 0 for run in runs), runs[0].stderr
    return {tuple(int(word) for word in run.stdout.split()) for run in runs}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_counts_are_the_same_in_every_run(tmp_path):
    (length, _), *others = three_counts(tmp_path, PROGRAM)
    assert not others
    assert 1_000_000 < length < 100_000_000


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_counts_are_the_same_in_every_run_that_swaps(tmp_path):
    (_, faults), *others = three_counts(tmp_path, SWAPPING_PROGRAM, "--swap", "64M")
    assert not others
    assert faults >= (16 << 20) // 4096
