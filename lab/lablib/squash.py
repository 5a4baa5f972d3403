# SPDX-License-Identifier: Apache-2.0
"""Making a squashfs from files of this machine, each at its own path."""

import os
import stat
import subprocess
import tarfile

from .common import LabError, die_with_parent, package_of


class Forward:
    """A pipe, as much of a file as tarfile asks for. Its own mode for pipes copies everything many times."""

    def __init__(self, stream):
        self.write = stream.write

    @staticmethod
    def tell():
        return 0


class Tree:
    """A tar stream of files of this machine at their own paths, owned by root."""

    def __init__(self, stream):
        self.tar = tarfile.open(fileobj=Forward(stream), mode="w", format=tarfile.GNU_FORMAT, copybufsize=1 << 20)
        self.names = set()
        self.parents = {}

    def real(self, path):
        """The path with its directory's symlinks resolved: /lib/x is /usr/lib/x."""
        parent, name = os.path.split(path)
        if parent not in self.parents:
            self.parents[parent] = os.path.realpath(parent)
        return os.path.join(self.parents[parent], name)

    def _add(self, info):
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.name = info.name.lstrip("/")
        return info

    def directory(self, path, mode=0o755):
        if path in self.names or path == "/":
            return
        self.directory(os.path.dirname(path))
        self.names.add(path)
        info = self._add(tarfile.TarInfo(path))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(info)

    def path(self, path, name=None):
        """One file, symlink or directory (without what is in it); what can't be read is left out."""
        name = name or self.real(path)
        if name in self.names:
            return
        try:
            st = os.lstat(path)
        except OSError:
            return
        if stat.S_ISDIR(st.st_mode):
            self.directory(name, stat.S_IMODE(st.st_mode))
            return
        info = self._add(tarfile.TarInfo(name))
        info.mode, info.mtime = stat.S_IMODE(st.st_mode), int(st.st_mtime)
        self.directory(os.path.dirname(name))
        if stat.S_ISLNK(st.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            self.tar.addfile(info)
        elif stat.S_ISREG(st.st_mode):
            try:
                file = open(path, "rb")
            except OSError:
                return
            with file:
                info.size = os.fstat(file.fileno()).st_size
                self.tar.addfile(info, file)
        else:
            return
        self.names.add(name)

    def symlink(self, name, target):
        if name in self.names:
            return
        self.directory(os.path.dirname(name))
        info = self._add(tarfile.TarInfo(name))
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self.tar.addfile(info)
        self.names.add(name)

    def close(self):
        self.tar.close()


def squash(path, fill, pass_fds=()):
    """Makes an uncompressed squashfs at a path from what fill(tree) puts into it."""
    arguments = ["mksquashfs", "-", path, "-tar", "-noappend", "-quiet", "-no-progress", "-no-xattrs", "-no-duplicates", "-noI", "-noD", "-noF", "-noX"]
    arguments += ["-mkfs-time", "0", "-processors", "2"]
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=die_with_parent(),
            pass_fds=pass_fds,
            env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"),
        )
    except FileNotFoundError:
        raise LabError(f"mksquashfs is missing; run: apt-get install {package_of('mksquashfs')}")
    with process:
        try:
            tree = Tree(process.stdin)
            fill(tree)
            tree.close()
            process.stdin.close()
        except BrokenPipeError:
            pass
        problem = process.stderr.read().decode(errors="replace").strip()
    if process.returncode != 0:
        lines = problem.splitlines() or ["no message"]
        raise LabError(f"mksquashfs failed: {lines[-1]}")
    return tree.names
