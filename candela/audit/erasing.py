"""Blanking who a closed tenant's entries are about; the chain goes on holding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from candela.db.connect import Role

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = ["blank_entries", "blank_erased"]

_BLANK: Final = """
UPDATE audit.entries
SET actor = 'erased', address = NULL, user_agent = NULL, detail = '{}', salt = NULL
WHERE tenant_id = %(tenant)s AND salt IS NOT NULL
"""
_BLANK_ERASED: Final = """
UPDATE audit.entries AS e
SET actor = 'erased', address = NULL, user_agent = NULL, detail = '{}', salt = NULL
FROM tenancy.tenants AS t
WHERE e.tenant_id = t.tenant_id AND e.salt IS NOT NULL AND t.erased_at IS NOT NULL
"""


def blank_entries(session: TenantSession) -> int:
    """Take names, addresses and details out of the entries of a tenant; return of how many.

    The tenant must be closed, else the database refuses. What was done when stays, under ids that
    name nobody any more, and `verify` proves it as before.
    """
    return session.run(_BLANK, {})


def blank_erased(database: Database) -> int:
    """Blank the entries of all tenants that were erased; return of how many."""
    with database.connect(Role.PIPELINES) as connection:
        return connection.execute(_BLANK_ERASED).rowcount
