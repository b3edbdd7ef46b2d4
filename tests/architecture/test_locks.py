"""What gets installed is what is locked, by hash, from whatever registry is at hand (ADR 0005)."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.tree import ROOT, tracked_files

LOCKS = ("bootstrap.lock", "dev.lock", "run.lock")


def locked(name: str) -> list[Requirement]:
    """Return the pinned requirements of a lock; a package may stand there once a Python version."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [Requirement(line.split(" --hash")[0]) for line in lines if line.strip()]


def pins(name: str) -> set[str]:
    return {f"{canonicalize_name(one.name)}{one.specifier}" for one in locked(name)}


def asked_for() -> list[Requirement]:
    """Return what pyproject.toml asks for, with the tools of development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    texts = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_entry_always_has_a_version_and_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    entries = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert entries
    assert [line for line in entries if not re.match(r"[a-z0-9-]+==\S+ .*\\$", line)] == []
    assert text.count("--hash=sha256:") >= len(entries)


@pytest.mark.parametrize(
    "lock",
    [path for path in tracked_files() if path.name.endswith((".lock", "-lock.json"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_lock_never_names_a_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    # npm also writes pages that ask for donations into its lock; nothing is fetched from them.
    hosts = re.findall(
        r'"resolved": "\w+://[^"]*|^.*index-url.*$|\w+ @ \w+://\S+', text, re.MULTILINE
    )
    assert hosts == []


@pytest.mark.parametrize("name", ["bootstrap.lock", "run.lock"])
def test_smaller_lock_never_disagrees_with_the_full_one(name: str) -> None:
    assert pins(name) - pins("dev.lock") == set()


def test_run_lock_holds_no_tool_of_development() -> None:
    names = {canonicalize_name(one.name) for one in locked("run.lock")}
    assert names & {"basedpyright", "pytest", "ruff", "uv"} == set()


@pytest.mark.parametrize("wanted", asked_for(), ids=lambda one: str(one.name))
def test_requirement_is_always_met_by_lock_and_environment(wanted: Requirement) -> None:
    candidates = [
        one
        for one in locked("dev.lock")
        if canonicalize_name(one.name) == canonicalize_name(wanted.name)
        and (one.marker is None or one.marker.evaluate())
    ]
    assert len(candidates) == 1
    pinned = str(candidates[0].specifier).removeprefix("==")
    assert wanted.specifier.contains(Version(pinned))
    assert version(wanted.name) == pinned


def test_requirement_always_states_a_floor() -> None:
    # Without floors a resolver may settle on releases years old, ccxt's worst of all.
    assert [str(one) for one in asked_for() if ">=" not in str(one.specifier)] == []


def test_interpreter_is_always_one_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    supported = Requirement(f"python {project['project']['requires-python']}").specifier
    assert supported.contains(".".join(map(str, sys.version_info[:3])))
