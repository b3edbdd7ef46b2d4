"""Findings: what a check says about one row of a source, or about the source as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that did not hold.

    Parameters
    ----------
    row
        Counted from 1 over the data rows; None for the source as a whole.
    line
        Physical line of a text file; None where there are no lines.
    column
        The columns at fault, comma-joined, in the order time, prices, volume; the time of a
        candle is called ``timestamp`` whatever the source calls it.
    check
        A name of :data:`candela.quality.contract.CHECKS`.
    value
        What stood there, as text.
    message
        One sentence for people.
    time
        Start of the candle, where the row tells it.
    """

    row: int | None
    line: int | None
    column: str
    check: str
    value: str
    message: str
    time: datetime | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the fields in the order that reports show them."""
        return {
            "row": self.row,
            "line": self.line,
            "column": self.column,
            "check": self.check,
            "value": self.value,
            "message": self.message,
        }
