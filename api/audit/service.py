"""Reading a tenant's own audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from api.audit.repository import ENTRIES, PROOF
from api.audit.schemas import AuditEntry, AuditPage, ChainProof
from api.kit.paging import read_cursor, write_cursor
from api.kit.sheets import sheet

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["SHEET_ROWS", "AuditFilter", "audit_page", "audit_sheet", "values_of"]

SHEET_ROWS: Final = 10_000
_HEADER: Final = (
    "happened_at", "actor", "action", "entity", "entity_id", "detail", "address", "user_agent",
    "request_id", "chain_n",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries: of an action or all of an entity's, in a span."""

    action: str | None = None
    entity: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def values_of(wanted: AuditFilter, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return what the statements need.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    at, row_id = read_cursor(cursor)
    return {
        "action": wanted.action,
        "entity": wanted.entity,
        "since": wanted.since,
        "until": wanted.until,
        "after_at": at,
        "after_id": row_id,
        "limit": limit,
    }


def audit_page(
    session: TenantSession, wanted: AuditFilter, limit: int, cursor: str | None
) -> AuditPage:
    """Return entries, newest first, and when the chain was last proved.

    Raises
    ------
    BadCursor
        The cursor is none that a list gave out.
    """
    rows = session.rows(ENTRIES, values_of(wanted, limit + 1, cursor))
    proof = session.row(PROOF, {})
    shown = rows[:limit]
    following: str | None = None
    if len(rows) > limit:
        following = write_cursor(shown[-1]["happened_at"], shown[-1]["entry_id"])
    return AuditPage(
        items=[AuditEntry.model_validate(row) for row in shown],
        next_cursor=following,
        chain_verified_up_to=None if proof is None else ChainProof.model_validate(proof),
    )


def audit_sheet(session: TenantSession, wanted: AuditFilter) -> str:
    """Return the newest entries as CSV."""
    rows = session.rows(ENTRIES, values_of(wanted, SHEET_ROWS, None))
    entries = [AuditEntry.model_validate(row).model_dump(mode="json") for row in rows]
    return sheet(_HEADER, ([entry[name] for name in _HEADER] for entry in entries))
