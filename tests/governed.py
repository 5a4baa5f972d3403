# SPDX-License-Identifier: Apache-2.0
"""What a governor leaves for those who ask, without a governor: its lock and its record."""

import contextlib
import fcntl
import json
import os
import struct
import time

MIB = 1 << 20


def now_ms():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)


def decision(age_ms=1000, guest="web", whom="db", **members):
    made = {"time_ms": now_ms() - age_ms, "bytes": 12 * MIB, "guest": guest, "reason": "takes-reclaim", "state": "hard",
            "text": f"12M taken by reclaim for {whom}", **members}  # fmt: skip
    return {**made, "whom": whom} if whom else made


def guest(name, weight, target, untaxed, last=None):
    seen = {"floor": 35 * MIB, "ceiling": 131 * MIB, "weight": weight, "best_effort": False, "resident": 96 * MIB,
            "swapped": 0, "active": 20 * MIB, "spare": None, "has_balloon": False, "balloon": 0, "refaulted": 0,
            "pain_permille": 0, "low": 0, "high": None}  # fmt: skip
    made = {"name": name, "seen": seen, "source": "damon", "target": target * MIB, "untaxed": untaxed * MIB,
            "hurts": False}  # fmt: skip
    return {**made, "last": last} if last else made


def record(guests=(), decisions=(), **members):
    return {"time_ms": now_ms(), "margin": 8 * MIB, "wanted": 12 * MIB, "state": "soft",
            "settings": {"tax_percent": 75, "interval_ms": 10000},
            "host": {"now_ms": now_ms(), "capacity": 208 * MIB, "used": 200 * MIB, "available": 100 * MIB},
            "guests": list(guests), "decisions": list(decisions), **members}  # fmt: skip


def write(runtime, made):
    (runtime / ".lodged.record.json").write_text(json.dumps(made), encoding="ascii")


@contextlib.contextmanager
def governor(runtime):
    """Holds the lock that a governor holds while it runs."""
    fd = os.open(runtime / ".lodged.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
        yield
    finally:
        os.close(fd)
