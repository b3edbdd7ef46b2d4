"""The journal: what the venue must know again after it was killed, one line a change."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from candela.errors import DataError
from sandbox.answers import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["BadJournal", "Journal", "read_journal"]

_PRIVATE: Final = 0o600


class BadJournal(DataError):
    """The file is not a journal of the sandbox."""

    code = "bad_journal"


class Journal:
    """Append lines to a file that only its owner may read: it holds the accounts' secrets.

    A line is handed to the system before the answer goes out, so that it outlives the process;
    it need not outlive the machine.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)

    def write(self, changes: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Append changes that belong together."""
        plain = [(kind, _plain(content)) for kind, content in changes]
        line = f"{as_json(plain)}\n".encode()
        while line:
            line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_journal(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the changes of a journal; a last line that was cut off is cut away.

    Raises
    ------
    BadJournal
        A line other than the last one is no line of a journal.
    """
    if not path.exists():
        return
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        os.truncate(path, end)
    for number, line in enumerate(whole[:end].splitlines(), 1):
        try:
            changes: list[tuple[str, dict[str, Any]]] = json.loads(line)
            read = [(kind, content) for kind, content in changes]
        except (ValueError, TypeError) as error:
            message = f"Line {number} of {path} is no line of a journal: {error}."
            raise BadJournal(message, "Name another file, or remove this one.") from None
        yield from read


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in content.items()
    }
