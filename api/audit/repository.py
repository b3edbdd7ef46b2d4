"""The statements of the audit log's pages."""

from __future__ import annotations

from typing import Final, LiteralString

__all__ = ["ALL_ENTRIES", "ENTRIES", "PROOF"]

_WHERE: Final[LiteralString] = """
    (%(action)s::text IS NULL OR e.action = %(action)s OR starts_with(e.action, %(action)s || '.'))
    AND (%(entity)s::text IS NULL OR e.entity = %(entity)s)
    AND (%(since)s::timestamptz IS NULL OR e.happened_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR e.happened_at < %(until)s)
    AND (
        %(after_at)s::timestamptz IS NULL
        OR (e.happened_at, e.entry_id) < (%(after_at)s, %(after_id)s::uuid)
    )
ORDER BY e.happened_at DESC, e.entry_id DESC
LIMIT %(limit)s
"""
_COLUMNS: Final[LiteralString] = """
    e.entry_id, e.happened_at, e.actor_id, e.actor, e.token_id, e.action, e.entity, e.entity_id,
    e.detail, e.address, e.user_agent, e.request_id
"""
ENTRIES: Final[LiteralString] = f"""
SELECT {_COLUMNS}, l.n
FROM audit.entries AS e
LEFT JOIN audit.links AS l ON e.tenant_id = l.tenant_id AND e.entry_id = l.entry_id
WHERE e.tenant_id = %(tenant)s AND {_WHERE}
"""  # noqa: S608 - constants of this program
ALL_ENTRIES: Final[LiteralString] = f"""
SELECT {_COLUMNS}, e.tenant_id, l.n
FROM audit.entries AS e
LEFT JOIN audit.links AS l ON e.tenant_id = l.tenant_id AND e.entry_id = l.entry_id
WHERE (%(of)s::uuid IS NULL OR e.tenant_id = %(of)s) AND {_WHERE}
"""  # noqa: S608 - constants of this program
PROOF: Final = """
SELECT n, verified_at, fault IS NULL AS is_whole
FROM audit.verifications
ORDER BY verified_at DESC, verification_id DESC
LIMIT 1
"""
