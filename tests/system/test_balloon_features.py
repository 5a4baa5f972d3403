# SPDX-License-Identifier: Apache-2.0
"""Each feature of the balloon on and off, as drivers of two kernels see it, with what the kernels say as the witness."""

import json

import pytest

from guests import Guest, bare, eventually, lodge
from memory import MIB, charged, free_in_guest

# VIRTIO_BALLOON_F_*: the bit of each word.
BITS = {"stats": 1, "deflate-on-oom": 2, "hinting": 3, "poison": 4, "reporting": 5}


def balloon(guest):
    return guest.show()["balloon"]


def features(guest):
    """What the guest's driver has negotiated, by the guest's kernel."""
    _, lines = guest.order("sh cat /sys/bus/virtio/drivers/virtio_balloon/virtio*/features")
    return {word for word, bit in BITS.items() if lines[0][bit] == "1"}


def check_plain(guest):
    lodge("set", guest.name, "balloon=32M")
    lodge("set", guest.name, "balloon=0")


def check_stats(guest):
    stats = balloon(guest)["stats"]
    assert 64 * MIB < stats["total"] < 160 * MIB
    assert 0 < stats["free"] < stats["total"] and 0 < stats["available"] < stats["total"]


def check_reporting(guest):
    guest.order("alloc 48M")
    full = charged(guest)
    guest.order("free")
    eventually("free memory comes back", lambda: full - charged(guest) > 24 * MIB)


def check_hinting(guest):
    hinted = json.loads(lodge("balloon", "--hints", "--json", guest.name).stdout)[0]["balloon"]["hinted"]
    # Linux names free blocks of 4 MiB only.
    assert hinted >= 8 * MIB
    # The guest gets its pages again, in its own time.
    eventually("the pages are back", lambda: free_in_guest(guest) > 48 * MIB)
    guest.order("fill 32M 5")
    guest.order("verify 5")
    guest.order("free")


def check_deflate_on_oom(guest):
    lodge("set", guest.name, "balloon=64M")
    guest.order("alloc 64M force")
    assert balloon(guest)["actual"] < 64 * MIB
    guest.order("free")
    lodge("set", guest.name, "balloon=0")


# In this order: the later ones leave the guest's memory in pieces.
CHECKS = {"stats": check_stats, "hinting": check_hinting, "reporting": check_reporting, "deflate-on-oom": check_deflate_on_oom}


def further(words, flavour="6.12-cloud"):
    return pytest.param(flavour, words, marks=pytest.mark.long)


@pytest.mark.parametrize(("flavour", "words"), [
    ("6.12-cloud", "all"), further("all", "6.1-cloud"), further("plain"), further("stats"), further("deflate-on-oom"),
    further("reporting"), further("hinting"), further("reporting", "6.1-cloud"), further("hinting", "6.1-cloud"),
])
def test_a_feature_is_there_if_asked_for_and_only_then(flavour, words):
    wanted = set(BITS) if words == "all" else set(words.split(",")) & set(BITS)
    # Linux clears the pages that it hints at, and with small ones takes a fault for each that it hasn't used yet.
    with Guest(flavour, memory="160M", options=["--balloon", words, "--thp", "always"]).ready() as guest:
        eventually("the balloon has a driver", lambda: balloon(guest)["driver"])
        # Linux wants poison only if its free pages hold one.
        assert features(guest) == wanted - {"poison"}
        assert set(balloon(guest)["negotiated"]) == wanted - {"poison"}
        assert bool(balloon(guest)["stats"]) == ("stats" in wanted)
        check_plain(guest)
        for word, check in CHECKS.items():
            if word in wanted:
                check(guest)


@pytest.mark.long
def test_pages_that_hold_a_poison_are_not_taken_by_reporting():
    with Guest(memory="160M", append="page_poison=1", options=["--balloon", "reporting,poison"]).ready() as guest:
        eventually("the balloon has a driver", lambda: balloon(guest)["driver"])
        poison = balloon(guest)["poison_value"]
        guest.order("alloc 48M")
        guest.order("free")
        guest.order("idle 8")
        told = balloon(guest)
        # Either its kernel was built to poison pages, and nothing was taken; or it wasn't, and there is no poison.
        assert (told["reported_total"] == 0) == (poison != 0)
        check_plain(guest)


def test_a_guest_without_a_balloon_says_so():
    with Guest(kernel_path=bare("halt"), options=["--balloon", "none"]) as guest:
        assert balloon(guest)["present"] is False
        done = lodge("set", guest.name, "balloon=64M", check=False)
        assert (done.returncode, done.stderr.count("\n")) == (9, 1)
        assert "no balloon device" in done.stderr
