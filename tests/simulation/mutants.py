# ruff: noqa: T201
"""Deliberate bugs, each of which a history must catch: ``python -m tests.simulation.mutants``."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.simulation.bugs import MUTANTS, Mutant

__all__ = ["ROOT", "apply", "catch"]

ROOT = Path(__file__).parents[2]
_COPIED = ("candela", "live", "tests/simulation", "tests/candela/orders", "tests/live/desk")


def apply(mutant: Mutant, folder: Path) -> None:
    """Copy the tree into a folder, with the bug in it.

    Raises
    ------
    ValueError
        The text to replace stands there not once.
    """
    for part in _COPIED:
        shutil.copytree(
            ROOT / part,
            folder / part,
            ignore=shutil.ignore_patterns(
                "__pycache__", "mutants.py", "bugs.py", "test_histories.py"
            ),
        )
    for edit in mutant.edits:
        path = folder / edit.file
        source = path.read_text()
        if source.count(edit.text) != 1:
            message = f"{mutant.name}: {edit.text!r} stands {source.count(edit.text)} times"
            raise ValueError(message)
        path.write_text(source.replace(edit.text, edit.instead))


def catch(mutant: Mutant, timeout_s: float = 240.0) -> str | None:
    """Return the first history and breach that show the bug, None where none does."""
    with tempfile.TemporaryDirectory(prefix="candela-mutant-") as name:
        folder = Path(name)
        apply(mutant, folder)
        options = ["--first", "--seeds", mutant.seeds, "--faults", str(mutant.faults)]
        for option, share in (("--stalls", mutant.stalls), ("--kills", mutant.kills)):
            options += [option, str(share)] if share is not None else []
        program = ["tests.simulation", *options]
        if mutant.test is not None:
            program = ["pytest", "-q", "-x", "-c", "/dev/null", "--rootdir", name]
            program += ["--import-mode=importlib", "-p", "no:cacheprovider", mutant.test]
        done = subprocess.run(
            [sys.executable, "-m", *program],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    shown = done.stdout.splitlines()
    if mutant.test is not None:
        return next((one for one in shown if one.startswith("FAILED")), None)
    breaches = [one.strip() for one in shown if one.startswith("    ")]
    if not breaches:
        return None
    seed = next(one for one in shown if one.startswith("seed")).split()[1]
    named = [one for one in breaches if mutant.caught_as in one]
    return f"seed {seed}: {(named or breaches)[0]}"


def main() -> None:
    """Show for each bug what catches it; exit with 1 where one goes free."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="part of a name")
    given = parser.parse_args()
    free = 0
    for mutant in MUTANTS:
        if given.only and given.only not in mutant.name:
            continue
        caught = catch(mutant)
        free += caught is None
        print(f"{mutant.name:<28} {caught or 'GOES FREE'}", flush=True)
    sys.exit(free > 0)


if __name__ == "__main__":
    main()
