# SPDX-License-Identifier: Apache-2.0
"""Saved states: a machine that has booted and waits for an order, kept as two files.

`ram` is the machine's memory. The booting machine writes straight to it; a resumed one maps it privately,
so starting reads nothing, and what two labs have in common is in the page cache once. `devices` is
everything else, a few hundred KiB in QEMU's migration format.
"""

import os
import shutil
import tempfile
import time

from .common import LabError, Lock, lab_dir, say
from .machine import Console, Files, Machine, PAYLOAD_SIZE, SWAP_SIZE, open_anonymous

KEPT_STATES = 6
UNUSED_IMAGES_KEPT = 6 * 3600  # seconds since they were made
BOOT_TIMEOUT = 180  # seconds; about 10 on an idle machine
BOOT_TRIES = 3


class State:
    def __init__(self, shape, base):
        self.shape = shape
        self.base = base
        self.directory = os.path.join(lab_dir(), f"state-{shape.key(base)}")
        self.ram = os.path.join(self.directory, "ram")
        self.devices = os.path.join(self.directory, "devices")
        self.use = None

    def ensure(self):
        """Makes the state if it isn't there, and keeps it from being pruned while this process uses it."""
        while True:
            self.base.ensure()
            if not os.path.exists(self.devices):
                with Lock(os.path.join(lab_dir(), "state.lock")).exclusive():
                    if not os.path.exists(self.devices):
                        self._make()
            try:
                self.use = Lock(os.path.join(self.directory, "lock")).shared()
                os.utime(self.directory)
            except FileNotFoundError:
                continue
            if os.path.exists(self.devices):
                return

    def _make(self):
        """With several CPUs an emulated kernel may die while it patches itself (docs/lab.md), mostly while it boots: that is tried again."""
        for left in reversed(range(BOOT_TRIES)):
            try:
                return self._boot()
            except LabError as error:
                if left == 0:
                    raise
                say(f"the boot failed ({str(error).splitlines()[0]}): once more")

    def _boot(self):
        say(f"booting the lab once to save its state ({self.shape})")
        self._prune()
        making = tempfile.mkdtemp(prefix="making-state-", dir=lab_dir())
        empty = Files(open_anonymous("payload", PAYLOAD_SIZE), open_anonymous("swap", SWAP_SIZE), open_anonymous("disk", 1 << 20))
        machine = None
        try:
            ram = os.path.join(making, "ram")
            with open(ram, "wb") as file:
                file.truncate(self.shape.memory)
            machine = Machine(self.shape, self.base, ram, True, empty, Console())
            machine.greet()
            # The agent's write to the panic device pauses the machine.
            machine.wait_event("GUEST_PANICKED", BOOT_TIMEOUT)
            machine.command("stop")
            machine.ignore_shared()
            machine.command("migrate", uri=f"exec:cat >'{making}/devices'")
            machine.wait_migration(60)
            machine.kill()
            machine = None
            os.rename(making, self.directory)
        except OSError as error:
            raise LabError(f"cannot save the lab's state under {lab_dir()}: {error.strerror}")
        finally:
            if machine:
                machine.kill()
            empty.close()
            shutil.rmtree(making, ignore_errors=True)

    def _prune(self):
        """Removes states and base images that nobody uses: unfinished, of older inputs, or too many."""
        states = []
        for name in os.listdir(lab_dir()):
            path = os.path.join(lab_dir(), name)
            if name.startswith("making-state-"):
                shutil.rmtree(path, ignore_errors=True)
            elif name.startswith("state-") and os.path.isdir(path):
                states.append((os.path.getmtime(path), path))
            elif name.startswith(("base-", "boot-")) and os.path.isdir(path):
                # A running lab holds its image open; one about to start finds it gone and makes it again.
                used = path in (self.base.directory, self.base.boot_directory)
                if not used and os.path.getmtime(path) < time.time() - UNUSED_IMAGES_KEPT:
                    shutil.rmtree(path, ignore_errors=True)
        for _, path in sorted(states)[: -(KEPT_STATES - 1)]:
            with Lock(os.path.join(path, "lock")) as lock:
                if lock.try_exclusive():
                    shutil.rmtree(path, ignore_errors=True)

    def resume(self, files, console):
        """A machine about to run the order in the payload."""
        machine = Machine(self.shape, self.base, self.ram, False, files, console, ["-S", "-incoming", "defer"])
        try:
            machine.greet()
            machine.ignore_shared()
            machine.command("migrate-incoming", uri=f"exec:cat '{self.devices}'")
            machine.wait_migration(60)
            machine.command("cont")
        except BaseException:
            machine.kill()
            raise
        return machine
