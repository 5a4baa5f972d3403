# SPDX-License-Identifier: Apache-2.0
"""The lab's base image, made from this machine's own Debian packages.

A squashfs with the programs that tests use (a shell, python3 with pytest, QEMU, gdb), copied from the
installed packages and all they depend on, and the kernel's modules. It isn't compressed: decompressing
under emulation takes longer than reading.
"""

import os
import shutil
import subprocess
import tempfile

from .common import LAB, REPOSITORY, LabError, Lock, cache_dir, digest, lab_dir, read_text, run_tool, say
from .initramfs import build_initramfs
from .squash import squash

REQUIRED = """bash dash base-files coreutils util-linux mount grep sed findutils diffutils procps iproute2 kmod tar gzip hostname
    python3 python3-pytest qemu-system-x86 busybox-static libc-bin libjansson4 liburing2 libseccomp2 libcap-ng0
    libzstd1 liblzma5 liblz4-1""".split()
# Taken along where installed.
OPTIONAL = """python3-hypothesis gdb strace file jq acpica-tools libasan8 libubsan1 libmicrohttpd12 libcmocka0 stress-ng fio iperf3
    passt socat mawk gawk xz-utils zstd zram-tools libcap2-bin libxxhash0 libncursesw6 ncurses-base e2fsprogs less login passwd""".split()

SKIPPED = (
    "/usr/share/doc/",
    "/usr/share/man/",
    "/usr/share/locale/",
    "/usr/share/info/",
    "/usr/share/lintian/",
    "/usr/share/bug/",
    "/usr/share/icons/",
    "/usr/share/iso-codes/",
    "/usr/share/xml/",
    "/usr/share/zoneinfo/",
    "/usr/share/applications/",
    "/usr/share/bash-completion/",
    "/usr/share/i18n/",
    "/usr/share/file/",
    "/usr/share/gdb/auto-load/",
    "/usr/lib/udev/hwdb.d/",
    "/usr/lib/systemd/",
    "/usr/bin/qemu-system-i386",
)

CONFIGURATION = """/etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts /etc/ld.so.cache /etc/ld.so.conf /etc/protocols
    /etc/services /etc/localtime /etc/os-release /etc/debian_version /etc/profile /etc/bash.bashrc""".split()

DIRECTORIES = {
    "/dev": 0o755,
    "/proc": 0o555,
    "/sys": 0o555,
    "/run": 0o755,
    "/tmp": 0o1777,
    "/root": 0o700,
    "/var": 0o755,
    "/var/tmp": 0o1777,
    "/mnt": 0o755,
    "/home": 0o755,
}


def installed_packages():
    """Every installed package's fields, by name."""
    packages = {}
    for block in read_text("/var/lib/dpkg/status").split("\n\n"):
        fields = {}
        for line in block.splitlines():
            if line[:1] not in (" ", "\t") and ":" in line:
                key, value = line.split(":", 1)
                fields[key] = value.strip()
        if fields.get("Status", "").endswith(" installed"):
            packages.setdefault(fields["Package"], fields)
    return packages


def closure(packages):
    """The packages of the base image, with what they depend on: sorted names."""
    missing = [name for name in REQUIRED if name not in packages]
    if missing:
        raise LabError(f"the lab needs the package{'s' * (len(missing) > 1)} {' '.join(missing)}; run: apt-get install {' '.join(missing)}")
    provided = {}
    for name, fields in packages.items():
        for word in fields.get("Provides", "").split(","):
            if word.strip():
                provided.setdefault(word.split()[0], name)
    found = set()
    waiting = REQUIRED + [name for name in OPTIONAL if name in packages]
    while waiting:
        name = waiting.pop().split(":")[0]
        name = name if name in packages else provided.get(name)
        if name is None or name in found:
            continue
        found.add(name)
        fields = packages[name]
        for clause in (fields.get("Pre-Depends", "") + "," + fields.get("Depends", "")).split(","):
            # Of alternatives all that are installed come along.
            waiting += [alternative.split()[0] for alternative in clause.split("|") if alternative.strip()]
    return sorted(found)


def package_list():
    """"NAME VERSION" of each package of the base image; remembered until dpkg's status changes."""
    status = os.stat("/var/lib/dpkg/status")
    mark = digest(status.st_mtime_ns, status.st_size, status.st_ino, REQUIRED, OPTIONAL)
    memo = os.path.join(lab_dir(), f"packages-{mark}")
    try:
        return read_text(memo).splitlines()
    except FileNotFoundError:
        pass
    packages = installed_packages()
    lines = [f"{name} {packages[name]['Version']}" for name in closure(packages)]
    for old in os.listdir(lab_dir()):
        if old.startswith("packages-"):
            os.unlink(os.path.join(lab_dir(), old))
    with open(memo + f".{os.getpid()}", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    os.rename(memo + f".{os.getpid()}", memo)
    return lines


def package_files(name):
    for suffix in ("", ":amd64", ":all"):
        path = f"/var/lib/dpkg/info/{name}{suffix}.list"
        if os.path.exists(path):
            return read_text(path).splitlines()
    return []


def fill_base(tree, packages, kernel, python):
    for top in ("/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"):
        if os.path.islink(top):
            tree.path(top)
    for name, mode in DIRECTORIES.items():
        tree.directory(name, mode)
    for package in packages:
        for path in package_files(package.split()[0]):
            if path.startswith(SKIPPED) or path in ("/.", ""):
                continue
            tree.path(path)
            if path.endswith(".py"):
                # Compiled by the package's installation, so on no list.
                directory, module = os.path.split(path)
                tree.path(f"{directory}/__pycache__/{module[:-3]}.cpython-{python}.pyc")
    for path in CONFIGURATION:
        tree.path(path)
    for directory in ("/etc/alternatives", "/etc/ld.so.conf.d"):
        for entry in sorted(os.listdir(directory)):
            tree.path(os.path.join(directory, entry))
    for directory in ("/usr/bin", "/usr/sbin"):
        for entry in sorted(os.listdir(directory)):
            path = os.path.join(directory, entry)
            if os.path.islink(path) and os.readlink(path).startswith("/etc/alternatives/"):
                tree.path(path)
    tree.symlink("/usr/bin/pytest", "pytest-3")
    modules = os.path.join(kernel, "lib/modules")
    for directory, _, files in sorted(os.walk(modules)):
        for entry in sorted(files):
            path = os.path.join(directory, entry)
            tree.path(path, "/usr/lib/modules" + path[len(modules):])


def lab_kernel():
    """The directory of the lab's kernel, fetched if it isn't in the cache."""
    directory = os.path.join(cache_dir(), "kernels", "lab")
    if not os.path.exists(os.path.join(directory, "version")):
        try:
            subprocess.run([os.path.join(REPOSITORY, "guest", "kernel"), "lab"], stdout=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.CalledProcessError):
            raise LabError("the lab's kernel could not be fetched")
    return os.path.realpath(directory)


def make_directory(prefix, key, what, build):
    """A directory in the lab's cache, made whole by build(directory) or not at all; once for all callers."""
    final = os.path.join(lab_dir(), f"{prefix}-{key}")
    if os.path.exists(final):
        return final
    with Lock(os.path.join(lab_dir(), f"{prefix}.lock")).exclusive():
        if os.path.exists(final):
            return final
        # The lock is held: what is left unfinished is from one that was killed.
        for old in os.listdir(lab_dir()):
            if old.startswith(f"making-{prefix}-"):
                shutil.rmtree(os.path.join(lab_dir(), old), ignore_errors=True)
        making = tempfile.mkdtemp(prefix=f"making-{prefix}-", dir=lab_dir())
        try:
            build(making)
            os.rename(making, final)
        except OSError as error:
            raise LabError(f"cannot make {what} under {lab_dir()}: {error.strerror}")
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return final


class Base:
    """What the lab boots: kernel, initramfs, image. Made on first use."""

    SIZE = 2 << 30  # of the NVDIMM; the file is sparse beyond the squashfs

    def __init__(self):
        self.kernel = lab_kernel()
        self.packages = package_list()
        package = read_text(os.path.join(self.kernel, "package"))
        sources = [read_text(os.path.join(LAB, "lablib", "base.py"))]
        self.key = digest(*self.packages, package, *sources)
        sources = [read_text(os.path.join(LAB, name)) for name in ("init", "agent.c", "lablib/initramfs.py")]
        self.boot_key = digest(package, *sources)
        self.directory = os.path.join(lab_dir(), f"base-{self.key}")
        self.boot_directory = os.path.join(lab_dir(), f"boot-{self.boot_key}")
        self.image = os.path.join(self.directory, "image")
        self.initramfs = os.path.join(self.boot_directory, "initramfs")
        self.vmlinuz = os.path.join(self.boot_directory, "vmlinuz")

    def ensure(self):
        make_directory("base", self.key, "the base image", self._build_image)
        make_directory("boot", self.boot_key, "the initramfs", self._build_boot)

    def _build_image(self, directory):
        say("making the lab's base image (once; again when its packages change)")
        image = os.path.join(directory, "image")
        python = run_tool(["/usr/bin/python3", "-c", "import sys; print('%d%d' % sys.version_info[:2], end='')"])
        names = squash(image, lambda tree: fill_base(tree, self.packages, self.kernel, python))
        if os.path.getsize(image) > self.SIZE:
            raise LabError(f"the base image is larger than {self.SIZE >> 20} MiB")
        os.truncate(image, self.SIZE)
        with open(os.path.join(directory, "names"), "w", encoding="utf-8") as file:
            file.write("\n".join(sorted(names)))

    def _build_boot(self, directory):
        build_initramfs(os.path.join(directory, "initramfs"), self.kernel)
        shutil.copyfile(os.path.join(self.kernel, "vmlinuz"), os.path.join(directory, "vmlinuz"))

    def names(self):
        """The paths in the image."""
        return set(read_text(os.path.join(self.directory, "names")).split("\n"))
