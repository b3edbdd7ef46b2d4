"""The project's files as the rules of this folder see them."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "module_files", "parsed", "tracked_files"]

ROOT: Final = Path(__file__).resolve().parents[2]


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file that is, or with the next commit would be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


def module_files(*folders: str) -> list[Path]:
    """Return the Python files of the folders, or of the whole project where none is named."""
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
