# SPDX-License-Identifier: Apache-2.0
"""The emulated machine: QEMU's arguments, its process, its monitor (QMP) and the agent's channel."""

import json
import os
import platform
import re
import select
import socket
import struct
import subprocess
import time
from typing import NamedTuple

from .common import LabError, die_with_parent, digest, package_of, read_text

QEMU = "/usr/bin/qemu-system-x86_64"
PAYLOAD_SIZE = 2 << 30
# Of the NVDIMM that is swapped to, in every machine: how much of it is swap is decided when the state is resumed.
SWAP_SIZE = 256 << 30

# psi: off by default in Debian. tsc: under emulation the watchdog finds fault with every clock.
# mitigations: the emulated CPU has none of the faults, and flushing costs a third of the time.
CMDLINE = (
    "console=ttyS0 quiet panic=-1 oops=panic tsc=reliable psi=1 mitigations=off nmi_watchdog=0 nowatchdog "
    "cgroup_no_v1=all transparent_hugepage=madvise"
)

# cx16: QEMU 7.2 translates cmpxchg16b without saving which flags are due, so that an interrupt right after it
# saves a part of a pointer as the flags, and returning from it faults.
# erms: each byte of `rep stosb` is an instruction to QEMU, which a processor does by whole cache lines; without
# it kernels clear and copy by 8 bytes.
# la57: five levels of page tables serve no machine of this size, and QEMU walks them at each TLB miss.
CPU = "max,+svm,-cx16,-erms,-la57"


class Shape:
    """What of the machine can be chosen; part of the saved state's key."""

    def __init__(self, memory, cpus, count):
        self.memory = memory  # bytes
        self.cpus = cpus
        self.count = count

    def __str__(self):
        return f"{self.memory >> 20} MiB, {self.cpus} CPU{'s' * (self.cpus > 1)}{', counting' * self.count}"

    def arguments(self, base):
        """All of QEMU's arguments that are the same when saving and when resuming."""
        if self.count:
            accelerator = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
            cpu = CPU + ",-rdrand,-rdseed"
            cmdline = CMDLINE + " nokaslr"
            channel = ["-device", "isa-debugcon,iobase=0xe9,chardev=channel"]
        else:
            accelerator = ["-accel", "tcg,thread=multi"]
            cpu = CPU
            cmdline = CMDLINE
            channel = ["-device", "virtio-serial-pci,max_ports=2", "-device", "virtserialport,nr=1,chardev=channel,name=lab"]
        top = -(-self.memory // (1 << 30)) + ((base.SIZE + PAYLOAD_SIZE + SWAP_SIZE) >> 30) + 3
        return [
            *["-machine", "pc,nvdimm=on,memory-backend=ram,vmport=off,usb=off"],
            *accelerator,
            *["-cpu", cpu, "-smp", str(self.cpus), "-m", f"{self.memory >> 20}M,slots=3,maxmem={top}G"],
            *["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-action", "panic=pause", "-device", "pvpanic"],
            *["-serial", "chardev:console", *channel],
            *["-device", "nvdimm,id=base,memdev=base,unarmed=on", "-device", "nvdimm,id=payload,memdev=payload,unarmed=on"],
            *["-device", "nvdimm,id=swap,memdev=swap"],
            *["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"],
            *["-kernel", base.vmlinuz, "-initrd", base.initramfs, "-append", cmdline],
        ]

    def key(self, base):
        """Changes with everything that a saved state depends on."""
        try:
            binary = os.stat(QEMU)
        except OSError:
            raise LabError(f"{QEMU} is missing; run: apt-get install {package_of(QEMU)}")
        # The guest's time stamp counter is this machine's: a state from another would run at a wrong speed.
        cpu = next((line for line in read_text("/proc/cpuinfo").splitlines() if line.startswith("model name")), platform.machine())
        return digest(self.memory, *self.arguments(base), base.key, base.boot_key, binary.st_size, binary.st_mtime_ns, cpu, SAVED_FORMAT)


SAVED_FORMAT = 1  # raise when how states are saved changes


class Files(NamedTuple):
    """Descriptors of what one machine alone has."""

    payload: int
    swap: int
    disk: int

    def close(self):
        for fd in self:
            os.close(fd)


def open_anonymous(name, size):
    """A file in memory without a name in any directory."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.truncate(fd, size)
    return fd


class Console:
    """The lab kernel's serial console, kept in a file without a name or in one the user chose."""

    def __init__(self, path=None):
        if path:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        else:
            self.fd = os.memfd_create("console", os.MFD_CLOEXEC)

    def text(self):
        size = os.fstat(self.fd).st_size
        return os.pread(self.fd, size, 0).decode(errors="replace").replace("\r", "")

    def tail(self, lines=12):
        """The last lines, or if the kernel panicked, those that say of what."""
        text = [line for line in self.text().splitlines() if line.strip()]
        for number, line in enumerate(text):
            if re.search(r"Kernel panic|\bOops\b|kernel BUG|BUG: ", line):
                return text[number : number + lines]
        return text[-lines:]


class Machine:
    """A QEMU process. It dies with this one."""

    def __init__(self, shape, base, ram, shared, files, console, extra=()):
        """`ram` is the file of the machine's memory; shared: written through to it, else a private copy. The Files stay the caller's."""
        self.console = console
        self.channel, channel = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        self.monitor_buffer = b""
        share = "on" if shared else "off"
        base_fd = os.open(base.image, os.O_RDONLY | os.O_CLOEXEC)
        fds = [channel.fileno(), monitor.fileno(), *files, console.fd, base_fd]
        arguments = [
            *[QEMU, *shape.arguments(base), "-name", "lodge-lab"],
            *["-object", f"memory-backend-file,id=ram,size={shape.memory},mem-path={ram},share={share}"],
            *["-object", f"memory-backend-file,id=base,size={base.SIZE},mem-path=/proc/self/fd/{base_fd},share=on,readonly=on"],
            *["-object", f"memory-backend-file,id=payload,size={PAYLOAD_SIZE},mem-path=/proc/self/fd/{files.payload},share=on,readonly=on"],
            *["-object", f"memory-backend-file,id=swap,size={SWAP_SIZE},mem-path=/proc/self/fd/{files.swap},share=on"],
            *["-blockdev", f"driver=file,node-name=disk,filename=/proc/self/fd/{files.disk},locking=off,discard=unmap"],
            *["-chardev", f"socket,id=channel,fd={channel.fileno()}"],
            *["-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "chardev=monitor,mode=control"],
            *["-chardev", f"file,id=console,path=/proc/self/fd/{console.fd},append=on"],
            *extra,
        ]
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=fds,
                preexec_fn=die_with_parent(),
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"cannot run {QEMU}: {error.strerror}")
        finally:
            channel.close()
            monitor.close()
            os.close(base_fd)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.channel.close()
        self.monitor.close()

    def failure(self, what):
        """The error for a machine that ended or got stuck, with its last words."""
        if self.process.poll() is not None:
            words = self.process.stderr.read().decode(errors="replace").strip().splitlines()[-3:]
        else:
            words = []
        tail = "".join(f"\n    {line}" for line in self.console.tail() + words)
        return LabError(f"{what}; its console's last lines:{tail}" if tail else what)

    # --- the monitor ---

    def _message(self, deadline):
        while b"\n" not in self.monitor_buffer:
            ready, _, _ = select.select([self.monitor], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise self.failure("the emulated machine does not answer")
            data = self.monitor.recv(65536)
            if not data:
                self.process.wait()
                raise self.failure(f"the emulated machine ended (status {self.process.returncode})")
            self.monitor_buffer += data
        line, _, self.monitor_buffer = self.monitor_buffer.partition(b"\n")
        return json.loads(line)

    def greet(self, timeout=30):
        self._message(time.monotonic() + timeout)
        self.command("qmp_capabilities")

    def command(self, name, timeout=60, **arguments):
        request = {"execute": name}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.monitor.sendall(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise self.failure(f"QEMU refused {name}: {message['error']['desc']}")

    def wait_event(self, name, timeout):
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(deadline)
            if message.get("event") == name:
                return

    def ignore_shared(self):
        """Memory that lives in files stays in them: only the devices are saved and loaded."""
        self.command("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def wait_migration(self, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.command("query-migrate")
            if status.get("status") == "completed":
                return
            if status.get("status") in ("failed", "cancelled"):
                raise self.failure(f"the machine's state could not be moved: {status.get('error-desc', 'no reason given')}")
            time.sleep(0.005)
        raise self.failure("the machine's state is not moving")


class Frames:
    """Takes the agent's messages apart (see agent.c)."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= 5:
            kind, size = struct.unpack_from("<cI", self.buffer)
            if len(self.buffer) < 5 + size:
                return
            body = bytes(self.buffer[5 : 5 + size])
            del self.buffer[: 5 + size]
            yield kind.decode("latin-1"), body

    @staticmethod
    def pack(kind, body):
        return struct.pack("<cI", kind.encode(), len(body)) + body
