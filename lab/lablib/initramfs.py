# SPDX-License-Identifier: Apache-2.0
"""The lab's initramfs: busybox, the few modules that lead to the base image, lab/init and the agent."""

import io
import os
import stat
import tempfile

from .common import LAB, LabError, read_text, run_tool

# Loaded before the base image can be read, and before there is a channel to lab/run.
MODULES = ["nfit", "nd_pmem", "squashfs", "overlay", "virtio_pci", "virtio_console"]


def write_cpio(path, entries):
    """An initramfs ("newc" cpio) of (name, mode, bytes)."""
    out = io.BytesIO()
    for inode, (name, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")], 1):
        encoded = name.encode() + b"\0"
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + encoded)
        out.write(b"\0" * (-out.tell() % 4) + data)
        out.write(b"\0" * (-out.tell() % 4))
    with open(path, "wb") as file:
        file.write(out.getvalue())


def module_order(directory, wanted):
    """Paths of the wanted modules and what they need, in the order of loading; built-in ones need none."""
    needs = {}
    for line in read_text(os.path.join(directory, "modules.dep")).splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {os.path.basename(path).partition(".")[0].replace("-", "_"): path for path in needs}
    builtin = {
        os.path.basename(line).partition(".")[0].replace("-", "_")
        for line in read_text(os.path.join(directory, "modules.builtin")).split()
    }
    order = []
    for name in wanted:
        if name in by_name:
            # modules.dep names the last needed first.
            for path in reversed([by_name[name]] + needs[by_name[name]]):
                if path not in order:
                    order.append(path)
        elif name not in builtin:
            raise LabError(f"the lab's kernel has no module {name}")
    return order


def build_initramfs(path, kernel):
    version = read_text(os.path.join(kernel, "version")).strip()
    modules = os.path.join(kernel, "lib/modules", version)
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "dev", "modules")]
    order = module_order(modules, MODULES)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as directory:
        agent = os.path.join(directory, "agent")
        run_tool(["gcc", "-O2", "-std=gnu17", "-static", "-o", agent, os.path.join(LAB, "agent.c")])
        with open(agent, "rb") as file:
            entries.append(("agent", stat.S_IFREG | 0o755, file.read()))
    busybox = next((p for p in ("/usr/bin/busybox", "/bin/busybox") if os.path.exists(p)), None)
    if busybox is None:
        raise LabError("busybox is missing; run: apt-get install busybox-static")
    with open(busybox, "rb") as file:
        entries.append(("bin/busybox", stat.S_IFREG | 0o755, file.read()))
    with open(os.path.join(LAB, "init"), "rb") as file:
        entries.append(("init", stat.S_IFREG | 0o755, file.read()))
    for number, module in enumerate(order):
        with open(os.path.join(modules, module), "rb") as file:
            data = file.read()
        entries.append((f"modules/{number:02}-{os.path.basename(module)}", stat.S_IFREG | 0o644, data))
    write_cpio(path, entries)
