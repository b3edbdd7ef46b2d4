"""Leaving: bots stopped, logins and keys gone at once; 30 days later everything else is erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.desk.secrets import destroy_secret
from candela.errors import Conflict

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = [
    "KEPT_FOR",
    "AlreadyLeft",
    "Erased",
    "Left",
    "NotLeft",
    "erase_due",
    "leave",
    "note_payments_ended",
    "restore",
    "still_paying",
]

KEPT_FOR: Final = timedelta(days=30)

_CLOSE: Final = """
UPDATE tenancy.tenants SET closed_at = %(at)s
WHERE tenant_id = %(tenant)s AND closed_at IS NULL
"""
_REOPEN: Final = """
UPDATE tenancy.tenants SET closed_at = NULL, payments_ended_at = NULL
WHERE tenant_id = %(tenant)s AND closed_at IS NOT NULL AND erased_at IS NULL
"""
_ACTIVE: Final = """
UPDATE tenancy.users SET is_active = %(active)s, updated_at = %(at)s
WHERE tenant_id = %(tenant)s
"""
_STOP: Final = """
UPDATE trading.bots SET wanted = 'stopped', wanted_at = %(at)s, flatten_on_stop = %(flatten)s
WHERE tenant_id = %(tenant)s AND removed_at IS NULL
    AND (wanted = 'running' OR state <> 'stopped')
RETURNING bot_id
"""
_REFUSE: Final = """
UPDATE trading.order_requests SET
    state = 'refused', reason = 'its owner left', answered_at = %(at)s
WHERE tenant_id = %(tenant)s AND state = 'waiting'
"""
_SESSIONS: Final = """
UPDATE identity.sessions SET ended_at = %(at)s, ended_reason = 'left'
WHERE tenant_id = %(tenant)s AND ended_at IS NULL
"""
_TOKENS: Final = """
UPDATE identity.api_tokens SET revoked_at = %(at)s
WHERE tenant_id = %(tenant)s AND revoked_at IS NULL
"""
_LINKS: Final = """
UPDATE identity.links SET used_at = %(at)s WHERE tenant_id = %(tenant)s AND used_at IS NULL
"""
# Access tokens that are still young are worth nothing either.
_VALID_FROM: Final = """
UPDATE identity.credentials SET tokens_valid_from = %(at)s WHERE tenant_id = %(tenant)s
"""
_SECRETS: Final = """
SELECT s.secret_id, EXISTS (
    SELECT FROM trading.accounts AS a
    INNER JOIN trading.positions AS p USING (tenant_id, account_id)
    WHERE a.tenant_id = s.tenant_id AND a.secret_id = s.secret_id AND p.quantity > 0
) AS holds
FROM tenancy.secrets AS s
WHERE s.tenant_id = %(tenant)s AND s.sealed <> ''
"""
_DOOM: Final = """
UPDATE tenancy.secrets SET doomed_at = %(at)s, try_at = NULL
WHERE tenant_id = %(tenant)s AND secret_id = %(secret)s
"""
_ACCOUNTS: Final = """
SELECT account_id FROM trading.accounts
WHERE tenant_id = %(tenant)s AND secret_id = ANY(%(gone)s) AND state <> 'closed'
"""
_DUE: Final = """
SELECT tenant_id FROM tenancy.tenants
WHERE closed_at <= %(until)s AND erased_at IS NULL AND payments_ended_at IS NOT NULL
ORDER BY closed_at, tenant_id LIMIT 500
"""
_PAYING: Final = """
SELECT tenant_id FROM tenancy.tenants
WHERE closed_at IS NOT NULL AND payments_ended_at IS NULL AND erased_at IS NULL
ORDER BY closed_at, tenant_id LIMIT 500
"""
_ENDED: Final = """
UPDATE tenancy.tenants SET payments_ended_at = %(at)s
WHERE tenant_id = %(tenant)s AND payments_ended_at IS NULL
"""
_ERASE: Final = "SELECT tenancy.erase_tenant(%s) AS told"


class AlreadyLeft(Conflict):
    """The tenant is closed."""

    code = "already_left"


class NotLeft(Conflict):
    """The tenant is not closed, or was erased."""

    code = "not_left"


@dataclass(frozen=True, slots=True)
class Left:
    """What leaving did.

    Parameters
    ----------
    keys_waiting
        Keys that live until what is held by them was sold, an hour at most.
    erased_on
        When everything but payments and the audit log is deleted.
    """

    bots_stopped: int
    keys_destroyed: int
    keys_waiting: int
    erased_on: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """A tenant that was erased, with how many rows were deleted of each table."""

    tenant_id: UUID
    rows: dict[str, int]


def leave(session: TenantSession, *, flatten: bool, clock: Clock) -> Left:
    """Stop everything of a tenant at once, and begin the 30 days after which it is erased.

    Parameters
    ----------
    flatten
        Sell what bots hold. Keys that this needs are destroyed once it is done, or an hour later.
        Otherwise positions stay as they are at the venue, and all keys are destroyed now.

    Raises
    ------
    AlreadyLeft
        The tenant is closed.
    """
    session.lock()
    now = clock.now()
    values: dict[str, Any] = {"at": now, "flatten": flatten, "active": False}
    if not session.run(_CLOSE, values):
        raise AlreadyLeft("The account was closed before.", "It is erased 30 days after that.")
    for statement in (_ACTIVE, _REFUSE, _SESSIONS, _TOKENS, _LINKS, _VALID_FROM):
        session.run(statement, values)
    bots = [row["bot_id"] for row in session.rows(_STOP, values)]
    gone: list[UUID] = []
    waiting = 0
    for row in session.rows(_SECRETS, {}):
        if flatten and row["holds"]:
            session.run(_DOOM, {"secret": row["secret_id"], "at": now})
            waiting += 1
        elif destroy_secret(session, row["secret_id"], reason="its owner left", clock=clock):
            gone.append(row["secret_id"])
    for bot_id in bots:
        session.announce(str(bot_id), {"bot": str(bot_id), "wanted": "stopped"})
    accounts = [str(row["account_id"]) for row in session.rows(_ACCOUNTS, {"gone": gone})]
    session.announce(str(session.tenant_id), {"secret": "", "reopen": accounts})
    return Left(len(bots), len(gone), waiting, now + KEPT_FOR)


def restore(session: TenantSession, *, clock: Clock) -> None:
    """Take a tenant that left back, while it is not erased; keys have to be entered again.

    Raises
    ------
    NotLeft
        It did not leave, or nothing is left of it.
    """
    session.lock()
    values = {"at": clock.now(), "active": True}
    if not session.run(_REOPEN, values):
        raise NotLeft("The user did not leave, or was erased.", "`candela user list` shows users.")
    session.run(_ACTIVE, values)


def note_payments_ended(session: TenantSession, *, clock: Clock) -> None:
    """Write that nothing is paid for any more; only then is a tenant erased."""
    session.run(_ENDED, {"at": clock.now()})


def still_paying(database: Database) -> list[UUID]:
    """Return the tenants that left and whose payments could not be ended yet."""
    with database.connect(Role.PIPELINES) as connection:
        return [row[0] for row in connection.execute(_PAYING).fetchall()]


def erase_due(database: Database, now: datetime) -> list[Erased]:
    """Erase every tenant that left 30 days ago and pays nothing; each is one transaction.

    The keys of a tenant go with its rows: what a backup has of it is sealed by a key that only the
    backup has, wrapped by a master key of then. Rotate master keys and throw the old ones away.
    """
    found: list[Erased] = []
    with database.connect(Role.PIPELINES) as connection:
        rows = connection.execute(_DUE, {"until": now - KEPT_FOR}).fetchall()
        connection.commit()
        for (tenant_id,) in rows:
            with connection.cursor(row_factory=dict_row) as cursor:
                told = cursor.execute(_ERASE, (tenant_id,)).fetchone()
            connection.commit()
            if told is not None and told["told"] is not None:
                found.append(Erased(tenant_id, dict(told["told"])))
    return found
