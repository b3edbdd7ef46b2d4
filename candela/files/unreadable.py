"""The one error of the file readers: a file that cannot be taken as a whole."""

from __future__ import annotations

from candela.errors import DataError
from candela.quality.finding import Finding

__all__ = ["FileUnreadable"]


class FileUnreadable(DataError):
    """The file as a whole cannot be read as candles.

    Parameters
    ----------
    check
        The name of the check that the file breaks.
    rows
        How many data rows the file has, where that is known in spite of the defect.
    """

    code = "file_unreadable"

    def __init__(
        self,
        check: str,
        message: str,
        hint: str | None = None,
        *,
        column: str = "file",
        value: str = "",
        line: int | None = None,
        row: int | None = None,
        rows: int = 0,
    ) -> None:
        super().__init__(message, hint)
        self.finding = Finding(row, line, column, check, value, message)
        self.rows = rows

    def error_dict(self) -> dict[str, str | int | None]:
        """Return the ``error`` object of a report: the finding and the hint."""
        return {**self.finding.as_dict(), "hint": self.hint}
