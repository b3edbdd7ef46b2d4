"""Pages of lists: a cursor that says behind which row the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from candela.errors import StrategyError

__all__ = ["BadCursor", "Cursor", "Limit", "Page", "read_cursor", "write_cursor"]

Item = TypeVar("Item")

LONGEST: Final = 200
Limit = Annotated[int, Query(ge=1, le=LONGEST, description="most rows of the page")]
Cursor = Annotated[
    str | None,
    Query(max_length=500, description="next_cursor of the page before; absent: the first page"),
]


class BadCursor(StrategyError):
    """The cursor is none that a list gave out."""

    code = "bad_cursor"


class Page(BaseModel, Generic[Item]):
    """Some rows of a list, and where the next ones begin."""

    items: list[Item]
    next_cursor: str | None = Field(
        default=None, description="cursor of the next page; null: there is none"
    )


def write_cursor(at: datetime, row_id: UUID) -> str:
    """Return the cursor behind a row of a list that is ordered by an instant, then by id."""
    content = json.dumps([at.isoformat(), str(row_id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Return instant and id of the row behind which a page begins; None twice: the first page.

    Raises
    ------
    BadCursor
        It is none that a list gave out.
    """
    if cursor is None:
        return None, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at, row_id = datetime.fromisoformat(content[0]).astimezone(UTC), UUID(content[1])
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        binascii.Error,
    ):
        raise BadCursor(
            f"cursor {cursor[:40]!r} is none that a list gave out.",
            "Take next_cursor of the page before, unchanged.",
        ) from None
    return at, row_id
