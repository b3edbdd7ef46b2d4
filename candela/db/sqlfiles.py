"""The files of sql/: where they are, in which order they run, which statements they hold."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from candela.errors import MigrationError

__all__ = ["SqlFile", "Statement", "Variant", "list_files", "split_statements", "sql_directory"]

Variant = Literal["timescale", "plain"]

# Views may call functions; grants name whatever the others made.
_FOLDER_ORDER: Final = ("functions", "views", "policies", "grants")
_NUMBERED: Final = re.compile(r"\d{4}_")
# What a semicolon may hide in, and the semicolon itself. SQL-standard function bodies (BEGIN
# ATOMIC) are not told apart: write bodies between dollar quotes.
_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"
    |\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$|(?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT_OR_SPACE: Final = re.compile(r"(?:\s+|--[^\n]*|/\*.*?\*/)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file; ``line`` is where it begins, counted from 1."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file of sql/; ``name`` is its path below sql/, such as ``migrations/0002_x.sql``."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """The sha256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_repeatable(self) -> bool:
        """Whether the file is applied again whenever it changes; numbered files run once."""
        return _NUMBERED.match(self.name.rpartition("/")[2]) is None

    @property
    def in_transaction(self) -> bool:
        """Whether the file runs in one transaction, as all do but those that say otherwise."""
        return not self.text.startswith("-- no-transaction\n")

    @property
    def as_administrator(self) -> bool:
        """Whether the file runs as the connected user instead of as candela_owner."""
        return self.text.startswith("-- as-administrator\n")

    def statements(self) -> list[Statement]:
        """Return the statements in order.

        Raises
        ------
        MigrationError
            A file without a transaction that does not hold exactly one statement.
        """
        found = split_statements(self.text)
        if not self.in_transaction and len(found) != 1:
            message = f"{self.name} runs without a transaction and has {len(found)} statements."
            raise MigrationError(message, "Give each of them a file of its own.")
        return found


def sql_directory() -> Path:
    """Return the directory sql/ beside the package, as in a checkout or an editable install."""
    return Path(__file__).resolve().parents[2] / "sql"


def list_files(sql_dir: Path, variant: Variant) -> list[SqlFile]:
    """Return every file for that variant in the order of running.

    Numbered files come first (migrations, then the variant's), then the repeatable ones, those
    of all variants before the variant's own within functions, views, policies and grants.

    Raises
    ------
    MigrationError
        No such directory, or no migrations in it.
    """
    folders = ("migrations", variant, "repeatable")
    files = [
        SqlFile(path.relative_to(sql_dir).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in (sql_dir / folder).rglob("*.sql")
    ]
    if not any(file.name.startswith("migrations/") for file in files):
        message = f"{sql_dir} has no migrations."
        raise MigrationError(message, "Name the directory sql/ that belongs to this release.")
    return sorted(files, key=_rank)


def _rank(file: SqlFile) -> tuple[bool, int, bool, str]:
    if not file.is_repeatable:
        return (False, 0, not file.name.startswith("migrations/"), file.name)
    kind = file.name.split("/")[1]
    order = _FOLDER_ORDER.index(kind) if kind in _FOLDER_ORDER else len(_FOLDER_ORDER)
    return (True, order, not file.name.startswith("repeatable/"), file.name)


def split_statements(text: str) -> list[Statement]:
    """Cut a text at the semicolons that are not in a string, a name, a body or a comment."""
    ends = [match.end() for match in _TOKEN.finditer(text) if match["end"]]
    found: list[Statement] = []
    start = 0
    for end in [*ends, len(text)]:
        blank = _COMMENT_OR_SPACE.match(text, start, end)
        first = blank.end() if blank else start
        body = text[first:end].strip()
        if body and body != ";":
            found.append(Statement(body, text.count("\n", 0, first) + 1))
        start = end
    return found
