# SPDX-License-Identifier: Apache-2.0
"""What the documentation points to is there."""

import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(
    [p for p in TOP.glob("*.md")] + [p for p in TOP.glob("docs/*.md")] + [TOP / "uapi/README.md"]
)

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
# Pages of docs/ that are named in running text, and files and folders of the tree in `code`; lab/
# isn't among them, as it's also the name of a folder in the cache.
PAGE = re.compile(r"\bdocs/[a-z0-9-]+\.md\b")
PATH = re.compile(
    r"`((?:api|base|bench|boot|cmd|dev|govern|guest|host|machine|man|mem|pci|systemd|tests|tools|uapi|virtio|vm)"
    r"/[A-Za-z0-9_./-]*)(?=[`\s:])"
)


def missing(names, relative_to):
    return [n for n in names if not (relative_to / n).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(TOP)))
def test_what_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = PAGE.findall(text) + PATH.findall(text)
    # fuzz_NAME and the like stand for many.
    named = [n for n in named if not re.search(r"NAME|FLAVOUR", n)]
    assert missing(LINK.findall(text), page.parent) + missing(named, TOP) == []


def test_every_page_is_reached_from_the_readme():
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    reached = {TOP / target for target in LINK.findall(readme)}
    unreached = {p for p in TOP.glob("docs/*.md")} - reached
    assert sorted(p.name for p in unreached) == []


def test_pages_that_sources_name_are_there():
    wrong = []
    for directory, folders, files in os.walk(TOP):
        folders[:] = [f for f in folders if not re.match(r"\.|build", f)]
        for name in files:
            if name.endswith((".c", ".h", ".py", ".build", ".scd")):
                path = pathlib.Path(directory) / name
                text = path.read_text(encoding="utf-8", errors="replace")
                wrong += [f"{path}: {n}" for n in missing(PAGE.findall(text), TOP)]
    assert wrong == []


def test_the_stages_that_are_documented_are_those_that_run():
    done = subprocess.run(
        [TOP / "tools/check", "--list"], stdout=subprocess.PIPE, check=True, encoding="utf-8"
    )
    stages = {line.split()[0] for line in done.stdout.splitlines() if "all of:" not in line}
    text = (TOP / "docs/hacking.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.M)
    documented = {name for row in rows for name in re.findall(r"`([a-z]+)`", row)}
    assert stages - documented == {"setup"}
    assert documented - stages == set()
