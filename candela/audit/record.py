"""Writing an entry of the audit log in the transaction of what it tells."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from candela.ids import new_id

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["Actor", "record"]

_INSERT: Final = """
INSERT INTO audit.entries
    (tenant_id, entry_id, happened_at, actor_id, actor, token_id, action, entity, entity_id,
     detail, address, user_agent, request_id, salt, commitment)
VALUES
    (%(tenant)s, %(entry)s, %(at)s, %(actor_id)s, %(actor)s, %(token)s, %(action)s, %(entity)s,
     %(entity_id)s, %(detail)s, %(address)s, %(agent)s, %(request)s, %(salt)s,
     sha256(%(salt)s || convert_to(jsonb_build_array(
         %(actor)s::text, %(address)s::text, %(agent)s::text, %(detail)s::jsonb
     )::text, 'UTF8')))
"""
_SALT_BYTES: Final = 16
_LONGEST_AGENT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, and from where.

    Parameters
    ----------
    name
        Id of the person, or what the process is called.
    user_id, token_id
        None for processes, and for sessions that no API token opened.
    """

    name: str
    user_id: UUID | None = None
    token_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


def record(
    session: TenantSession,
    actor: Actor,
    action: str,
    entity: str,
    entity_id: object,
    *,
    clock: Clock,
    detail: Mapping[str, Any] | None = None,
) -> UUID:
    """Write that an actor did something; it is there if and only if the transaction is.

    Parameters
    ----------
    action
        Entity and verb, such as ``bot.start``.
    detail
        What changed, in JSON's types; never a secret.
    """
    now = clock.now()
    entry_id = new_id(now)
    agent = actor.user_agent
    session.run(
        _INSERT,
        {
            "entry": entry_id,
            "at": now,
            "actor_id": actor.user_id,
            "actor": actor.name,
            "token": actor.token_id,
            "action": action,
            "entity": entity,
            "entity_id": str(entity_id),
            "detail": Jsonb(dict(detail or {})),
            "address": actor.address,
            "agent": agent[:_LONGEST_AGENT] if agent else None,
            "request": actor.request_id,
            # Without it, whoever sees the commitment could try addresses until one fits.
            "salt": secrets.token_bytes(_SALT_BYTES),
        },
    )
    return entry_id
