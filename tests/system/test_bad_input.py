# SPDX-License-Identifier: Apache-2.0
"""What can't work is refused in one clear line with its exit status, and leaves nothing behind."""

import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess

import pytest

from guests import Guest, RUNTIME, bare, eventually, initrd, kernel, left_behind, lodge, names

FAILED, USAGE, NOT_FOUND, EXISTS, NO_KVM, NO_SPACE = 1, 2, 3, 4, 5, 11
KERNEL = kernel("6.12-cloud")


def refused(status, *says, args, **kwargs):
    """The command ends with the status, and says each of the words in its one line on stderr."""
    done = lodge(*args, check=False, **kwargs)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("lodge: ") and done.stderr.count("\n") == 1, done.stderr
    for word in says:
        assert word in done.stderr
    assert "Assertion" not in done.stderr
    assert not left_behind("bad")
    assert names() == []


def run(*options, kernel_path=KERNEL):
    return ["run", "--name", "bad", "--kernel", kernel_path, *options]


@pytest.fixture(name="image")
def image_fixture(tmp_path):
    def write(data):
        path = tmp_path / "image"
        path.write_bytes(data)
        return path
    return write


def test_a_missing_kernel(tmp_path):
    refused(USAGE, "nowhere", "No such file", args=run(kernel_path=tmp_path / "nowhere"))


def test_a_directory_as_kernel(tmp_path):
    refused(USAGE, str(tmp_path), args=run(kernel_path=tmp_path))


def test_no_kernel_at_all():
    refused(USAGE, "--kernel", args=["run", "--name", "bad"])


@pytest.mark.parametrize("boot", ["auto", "unpack", "direct"])
def test_a_truncated_kernel(image, boot):
    cut = image(KERNEL.read_bytes()[:1 << 20])
    refused(USAGE, "truncated", args=run("--boot", boot, kernel_path=cut))


def test_a_file_that_is_no_kernel(image):
    refused(USAGE, "not a Linux kernel", args=run(kernel_path=image(b"#!/bin/sh\n" * 1000)))


def test_an_empty_file(image):
    refused(USAGE, "image", args=run(kernel_path=image(b"")))


def test_a_32_bit_kernel(image):
    data = bytearray(KERNEL.read_bytes())
    # xloadflags: Linux boot protocol, offset 0x236, bit 0: 64-bit entry.
    flags, = struct.unpack_from("<H", data, 0x236)
    struct.pack_into("<H", data, 0x236, flags & ~1)
    refused(USAGE, "32-bit", args=run("--boot", "direct", kernel_path=image(data)))


def test_a_32_bit_vmlinux(image):
    refused(USAGE, "32-bit", args=run(kernel_path=image(b"\x7fELF\x01\x01\x01" + bytes(200))))


def test_a_missing_initrd(tmp_path):
    refused(USAGE, "nowhere", args=run("--initrd", tmp_path / "nowhere"))


@pytest.mark.parametrize("boot", ["unpack", "direct"])
def test_an_initrd_that_does_not_fit(image, boot):
    big = image(b"")
    os.truncate(big, 300 << 20)
    refused(USAGE, "initrd", "--memory", args=run("--boot", boot, "--initrd", big, "--memory", "256M"))


@pytest.mark.parametrize("boot", ["unpack", "direct"])
def test_a_command_line_that_is_too_long(boot):
    refused(USAGE, "command line", "204", args=run("--boot", boot, "--append", "x" * 3000))


@pytest.mark.parametrize("boot", ["unpack", "direct"])
def test_memory_too_small_to_boot(boot):
    refused(USAGE, "--memory", "MiB", args=run("--boot", boot, "--memory", "32M"))


@pytest.mark.parametrize("size", ["200T", "16777216T", "999999999999999999999G"])
def test_memory_larger_than_the_host_could_ever_hold(size):
    refused(USAGE, "memory", args=run("--memory", size))


@pytest.mark.parametrize("size", ["0", "", "-1M", "much", "12Q", "1.5.2G", "4097", "0x10M"])
def test_memory_that_is_no_size(size):
    refused(USAGE, "memory", args=run("--memory", size))


@pytest.mark.parametrize("cpus", ["0", "9", "-1", "two", "", "1.5", "4294967297"])
def test_vcpus_that_cannot_be(cpus):
    refused(USAGE, "cpus", args=run("--cpus", cpus))


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "-x", "x" * 64, "a b", "ä"])
def test_a_name_that_is_none(name):
    refused(USAGE, "name", args=["run", "--name", name, "--kernel", KERNEL])
    assert not pathlib.Path("/run/x").exists()


def test_a_name_in_use():
    with Guest(kernel_path=bare("halt"), memory="4M", name="taken"):
        done = lodge("run", "--name", "taken", "--kernel", bare("halt"), check=False)
        assert done.returncode == EXISTS
        assert "taken" in done.stderr and done.stderr.count("\n") == 1
        assert names() == ["taken"]


@pytest.mark.parametrize("verb", ["show", "console", "stop", "kill", "pause", "resume", "wait"])
def test_a_guest_that_is_not_there(verb):
    refused(NOT_FOUND, "no guest named nobody", args=[verb, "nobody"])


def test_a_verb_with_a_typing_mistake():
    refused(USAGE, "stop", args=["stpo", "x"])


def test_an_option_with_a_typing_mistake():
    refused(USAGE, "--memory", args=run("--memroy", "1G"))


@pytest.mark.parametrize(("text", "says"), [
    ("{", "config"), ("[]", "object"), ('{"memroy": "1G"}', "memroy"), ('{"cpus": "two"}', "cpus"),
    ('{"memory": -1}', "memory"), ('{"kernel": 7}', "kernel"),
])
def test_a_configuration_that_is_wrong(tmp_path, text, says):
    path = tmp_path / "config.json"
    path.write_text(text)
    refused(USAGE, says, args=["run", "--name", "bad", "--config", path])


def test_no_rights_to_kvm(tmp_path):
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.parents:
        with contextlib.suppress(OSError):
            os.chmod(parent, parent.stat().st_mode | 0o55)
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.chown(runtime, 65534, 65534)
    done = subprocess.run(["busybox", "su", "-s", "/bin/sh", "nobody", "-c",
                           f"LODGE_RUNTIME_DIR={runtime} exec $(command -v lodge || echo {lodge_path()}) run "
                           f"--name bad --kernel {bare('halt')}"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=60)
    assert done.returncode == NO_KVM, done.stderr
    assert "/dev/kvm" in done.stderr and "kvm" in done.stderr and done.stderr.count("\n") == 1
    assert list(runtime.iterdir()) == [] or [p.name for p in runtime.iterdir()] == [".lock"]


def lodge_path():
    return subprocess.run(["sh", "-c", "command -v lodge"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


@pytest.fixture(name="small_disk")
def small_disk_fixture(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_under_the_cache(small_disk):
    env = {**os.environ, "LODGE_KERNEL_CACHE": str(small_disk)}
    refused(NO_SPACE, "space", args=run("--boot", "unpack"), env=env)
    assert [p.name for p in small_disk.iterdir() if p.stat().st_size] == []


def test_a_full_disk_under_the_cache_falls_back_to_the_bzimage(small_disk):
    env = {**os.environ, "LODGE_KERNEL_CACHE": str(small_disk)}
    lodge("run", "-d", "--name", "direct", "--kernel", KERNEL, "--initrd", initrd("6.12-cloud"), env=env)
    boot = json.loads(lodge("show", "direct", "--json").stdout)["boot"]
    assert boot["mode"] == "direct" and "space" in boot["reason"]
    lodge("kill", "direct")


@pytest.fixture(name="control")
def control_fixture():
    """A guest, and a function that sends bytes to its control socket and gives the reply."""
    with Guest(kernel_path=bare("halt"), memory="4M", name="control") as guest:
        def talk(message):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(30)
                s.connect(str(RUNTIME / guest.name / "control.sock"))
                s.sendall(message)
                return json.loads(s.recv(1 << 17))
        yield talk
        assert guest.state() == "running"


@pytest.mark.parametrize(("message", "says"), [
    (b"hello", "JSON"), (b"[1]", "object"), (b'{"verb": "fly"}', "fly"), (b'{"verb": 7}', "verb"), (b"{}", "verb"),
    (b'{"verb": "console-size", "columns": "wide", "rows": 1}', "columns"),
    (b'{"verb": "console-size", "columns": 99999999, "rows": 1}', "columns"),
    (b'{"verb": "console-size", "rows": 1}', "columns"),
    (b'{"verb": "status", "extra": 1}', "extra"),
    (b'{"verb": "status", "a": ' + b"[" * 500 + b"]" * 500 + b"}", ""),
    (b'{"verb": "' + b"x" * 100_000 + b'"}', "long"),
], ids=lambda value: str(value)[:40])
def test_a_control_message_that_is_wrong(control, message, says):
    reply = control(message)
    assert reply["error"]["code"] == "usage"
    assert says in reply["error"]["message"]


def test_more_clients_than_there_is_room_for(control):
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            s = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            s.settimeout(30)
            s.connect(str(RUNTIME / "control" / "control.sock"))
    eventually("it answers again", lambda: "result" in control(b'{"verb": "status"}'))


def test_the_cache_belongs_to_its_user_alone(tmp_path):
    os.chmod(tmp_path, 0o777)
    done = lodge(*run("--boot", "unpack"), check=False, env={**os.environ, "LODGE_KERNEL_CACHE": str(tmp_path)})
    assert done.returncode != 0 and str(tmp_path) in done.stderr


@pytest.mark.parametrize("stands_in", ["/dev/null", None])
def test_a_kvm_that_is_none(stands_in):
    """With another device in its place, and with none."""
    hide = f"mount --bind {stands_in} /dev/kvm" if stands_in else "mount -t tmpfs none /dev"
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"{hide} && exec lodge run --name bad --kernel {bare('halt')}"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=60)
    assert done.returncode == NO_KVM, done.stderr
    assert "/dev/kvm" in done.stderr and done.stderr.count("\n") == 1
    assert not left_behind("bad")
