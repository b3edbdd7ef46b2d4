"""Tenants and their users: made together, found by address, with the plan in force."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.desk.session import tenant_session
from candela.errors import Conflict, NotFound, StrategyError
from candela.ids import new_id, shard_of
from candela.plans import Subscription, plan_named
from candela.risk.hours import zone_named

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.session import TenantSession

__all__ = [
    "BadEmail",
    "EmailTaken",
    "UnknownUser",
    "User",
    "address_of",
    "all_users",
    "change_plan",
    "create_user",
    "find_left",
    "find_user",
    "subscription_of",
    "write_user",
    "zone_of",
]

# One at a time in a transaction: a setting of many thousand ids would be slow to compare.
_BATCH: Final = 1_000
_EMAIL: Final = re.compile(r"[^@\s,;<>\"']{1,64}@[^@\s,;<>\"']{1,255}")

_TENANT: Final = """
INSERT INTO tenancy.tenants (tenant_id, name, zone, created_at)
VALUES (%(tenant)s, %(name)s, %(zone)s, %(at)s)
"""
_DIRECTORY: Final = """
INSERT INTO tenancy.directory (tenant_id, shard) VALUES (%(tenant)s, %(shard)s)
"""
_USER: Final = """
INSERT INTO tenancy.users (tenant_id, user_id, email, name, created_at, updated_at)
VALUES (%(tenant)s, %(user)s, %(email)s, %(name)s, %(at)s, %(at)s)
"""
_SUBSCRIBE: Final = """
INSERT INTO tenancy.subscriptions (tenant_id, plan, status, period_start_at, updated_at)
VALUES (%(tenant)s, %(plan)s, 'active', %(at)s, %(at)s)
ON CONFLICT (tenant_id) DO UPDATE SET
    plan = excluded.plan, status = 'active', period_start_at = excluded.period_start_at,
    period_end_at = NULL, updated_at = excluded.updated_at, granted_at = excluded.updated_at,
    stripe_subscription_id = NULL, stripe_item_id = NULL, stripe_price_id = NULL,
    billing_interval = NULL, cancel_at_period_end = false, trial_ends_at = NULL
"""
_SUBSCRIPTION: Final = """
SELECT plan, status, period_end_at FROM tenancy.subscriptions WHERE tenant_id = %(tenant)s
"""
_ZONE: Final = "SELECT zone FROM tenancy.tenants WHERE tenant_id = %(tenant)s"
_LISTED: Final = "SELECT tenant_id FROM tenancy.directory ORDER BY tenant_id"
_FOUND: Final = """
SELECT u.tenant_id, u.user_id, u.email, u.name, s.plan, t.zone, u.created_at
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t USING (tenant_id)
INNER JOIN tenancy.subscriptions AS s USING (tenant_id)
WHERE u.is_active = %(active)s AND (%(email)s::text IS NULL OR u.email = %(email)s)
ORDER BY u.created_at
"""


class BadEmail(StrategyError):
    """The text is no address."""

    code = "bad_email"


class EmailTaken(Conflict):
    """Somebody has that address already."""

    code = "email_taken"


class UnknownUser(NotFound):
    """No user has that address."""

    code = "unknown_user"


@dataclass(frozen=True, slots=True)
class User:
    """A person, the tenant whose data is theirs, and its plan."""

    tenant_id: UUID
    user_id: UUID
    email: str
    name: str
    plan: str
    zone: str
    created_at: datetime


def create_user(
    database: Database,
    email: str,
    *,
    clock: Clock,
    name: str = "",
    plan: str = "free",
    zone: str = "UTC",
) -> User:
    """Make a tenant with its one user, in one transaction.

    Raises
    ------
    BadEmail
        The text is no address.
    EmailTaken
        Somebody has it.
    UnknownPlan, UnknownZone
        There is no such plan or time zone.
    """
    now = clock.now()
    made = User(new_id(now), new_id(now), address_of(email), name.strip(), plan, zone, now)
    with tenant_session(database, made.tenant_id) as session:
        return write_user(session, made)


def address_of(email: str) -> str:
    """Return an address as it is stored and compared.

    Raises
    ------
    BadEmail
        The text is no address.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        message = f"{email!r} is no e-mail address."
        raise BadEmail(message, "Write it as name@example.com.")
    return address


def write_user(session: TenantSession, user: User) -> User:
    """Write a new tenant with its one user; the session acts for that tenant.

    Raises
    ------
    EmailTaken
        Somebody has the address; nothing more can be done in the transaction.
    UnknownPlan, UnknownZone
        There is no such plan or time zone.
    """
    plan_named(user.plan)
    zone_named(user.zone)
    made = replace(user, name=user.name or user.email)
    values = {
        "name": made.name,
        "zone": made.zone,
        "at": made.created_at,
        "shard": shard_of(made.tenant_id),
        "user": made.user_id,
        "email": made.email,
        "plan": made.plan,
    }
    try:
        for statement in (_TENANT, _DIRECTORY, _USER, _SUBSCRIBE):
            session.run(statement, values)
    except UniqueViolation:
        raise EmailTaken(f"{made.email} is taken.", "Each address is one user's.") from None
    return made


def all_users(
    database: Database, email: str | None = None, *, is_active: bool = True
) -> list[User]:
    """Return the users of all tenants, oldest first; for the operator of the machine.

    Takes the executor's role: a door to the world, which has that of the application, cannot even
    list tenants.
    """
    found: list[User] = []
    values = {"email": email, "active": is_active}
    with (
        database.connect(Role.EXECUTOR) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        listed = [str(row["tenant_id"]) for row in cursor.execute(_LISTED).fetchall()]
        for start in range(0, len(listed), _BATCH):
            batch = ",".join(listed[start : start + _BATCH])
            cursor.execute("SELECT set_config('candela.tenants', %s, true)", (batch,))
            found += [User(**row) for row in cursor.execute(_FOUND, values).fetchall()]
    return sorted(found, key=lambda user: (user.created_at, user.email))


def find_user(database: Database, email: str) -> User:
    """Return the user of an address.

    Raises
    ------
    UnknownUser
        Nobody has it.
    """
    for user in all_users(database, email.strip().lower()):
        return user
    message = f"Nobody has the address {email}."
    raise UnknownUser(
        message, "`candela user list` shows who there is, `candela user create` adds."
    )


def find_left(database: Database, email: str) -> UUID:
    """Return the tenant of somebody who left or was shut out.

    Raises
    ------
    UnknownUser
        Nobody of that address did.
    """
    for user in all_users(database, email.strip().lower(), is_active=False):
        return user.tenant_id
    message = f"Nobody with the address {email} left."
    raise UnknownUser(message, "Who is erased cannot come back.")


def change_plan(session: TenantSession, plan: str, *, clock: Clock) -> None:
    """Put a plan in force from now on, without end.

    Bots that run go on; what the plan does not include is refused at their next entry.

    Raises
    ------
    UnknownPlan
        There is no such plan.
    """
    plan_named(plan)
    session.lock()
    session.run(_SUBSCRIBE, {"plan": plan, "at": clock.now()})
    session.announce(str(session.tenant_id), {"plan": plan})


def subscription_of(session: TenantSession) -> Subscription:
    """Return the tenant's plan and how it stands."""
    row: dict[str, Any] | None = session.row(_SUBSCRIPTION, {})
    return Subscription("free") if row is None else Subscription(**row)


def zone_of(session: TenantSession) -> str:
    """Return the zone by whose calendar days the tenant's limits are counted."""
    row = session.row(_ZONE, {})
    return "UTC" if row is None else str(row["zone"])
