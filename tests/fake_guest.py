# SPDX-License-Identifier: Apache-2.0
"""A guest without a virtual machine: its directory, its lock, and a control socket that answers "show".

Its process is a child of the test, so that the command finds a memory to look at.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys

MIB = 1 << 20


def serve(name, memory, driver):
    import ctypes
    import mmap

    os.makedirs(name, mode=0o700)
    lock = os.open(f"{name}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
    ram = mmap.mmap(-1, memory, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    hva = ctypes.addressof(ctypes.c_char.from_buffer(ram))
    for page in range(0, memory // 2, 4096):
        ram[page] = 1
    show = {
        "name": name, "state": "running", "pid": os.getpid(), "cpus": 1, "memory": memory, "uptime_ms": 5000,
        "ram": [{"gpa": 0, "hva": hva, "bytes": memory}],
        "balloon": {
            "present": True, "driver": driver, "target": memory // 4, "actual": memory // 4, "reported": 0,
            "negotiated": ["stats"] if driver else [], "stats_age_ms": 3000,
            "stats": {"free": 11 * MIB, "available": 22 * MIB},
        },
    }  # fmt: skip
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{name}/control.sock")
    listener.listen(8)
    print("ready", flush=True)
    children = []
    while True:
        children.append(listener.accept()[0])
        # "stats" is never answered: a guest answers in its own time, or not at all.
        if os.fork() == 0:
            while True:
                request = children[-1].recv(65536)
                if not request:
                    os._exit(0)
                if json.loads(request)["verb"] == "show":
                    children[-1].send(json.dumps({"result": show}).encode())
        children.pop().close()


class FakeGuest:
    """A context manager. LODGE_RUNTIME_DIR is runtime for the commands that are to see it."""

    def __init__(self, runtime, name, memory=64 * MIB, driver=True):
        self.process = subprocess.Popen([sys.executable, __file__, name, str(memory), str(int(driver))], cwd=runtime,
                                        stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def signal(self, number):
        os.killpg(self.process.pid, number)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), bool(int(sys.argv[3])))
