"""Rotation of keys over all tenants: batch by batch, each whole; a run that died goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from candela.db.connect import Role
from candela.vault.envelope import (
    DataKey,
    Place,
    key_version_of,
    master_version_of,
    new_data_key,
    unwrap,
    wrap,
)
from candela.vault.rotation import reseal, rewrap

if TYPE_CHECKING:
    import psycopg

    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.vault.masterkeys import MasterKeys

__all__ = ["TOTP_PURPOSE", "RotationReport", "reseal_all", "rewrap_all", "wrapped_by"]

TOTP_PURPOSE: Final = "totp"
_BATCH: Final = 100
_TENANTS: Final = "SELECT tenant_id FROM tenancy.directory ORDER BY tenant_id"
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('tenant:' || %s, 0))"
_KEYS: Final = """
SELECT tenant_id, key_version, wrapped_key, created_at FROM tenancy.tenant_keys
WHERE tenant_id = ANY(%s) AND wrapped_key <> ''
ORDER BY tenant_id, key_version
"""
# Only over what was read: whoever was quicker has wrapped it by a key of theirs.
_REWRAP: Final = """
UPDATE tenancy.tenant_keys SET wrapped_key = %s, master_version = %s
WHERE tenant_id = %s AND key_version = %s AND wrapped_key = %s
"""
_ADD: Final = """
INSERT INTO tenancy.tenant_keys (tenant_id, key_version, master_version, wrapped_key, created_at)
VALUES (%s, %s, %s, %s, %s)
"""
_SECRETS: Final = """
SELECT tenant_id, secret_id, purpose, key_version, sealed FROM tenancy.secrets
WHERE tenant_id = ANY(%s) AND sealed <> ''
"""
_FACTORS: Final = """
SELECT tenant_id, user_id, totp_sealed AS sealed FROM identity.credentials
WHERE tenant_id = ANY(%s) AND totp_sealed IS NOT NULL
"""
_RESEAL: Final = """
UPDATE tenancy.secrets SET sealed = %s, key_version = %s WHERE tenant_id = %s AND secret_id = %s
"""
_RESEAL_FACTOR: Final = """
UPDATE identity.credentials SET totp_sealed = %s WHERE tenant_id = %s AND user_id = %s
"""
# What nothing is sealed by any more; rows of destroyed secrets may still name the version.
_DESTROY: Final = """
UPDATE tenancy.tenant_keys SET wrapped_key = '' WHERE tenant_id = %s AND key_version = %s
"""


@dataclass(slots=True)
class RotationReport:
    """What a rotation did.

    Parameters
    ----------
    keys, secrets
        How many keys of tenants were wrapped anew or made, how many secrets sealed anew.
    destroyed
        Keys of tenants that nothing is sealed by any more.
    wrapped
        How many keys of tenants each master key wraps now, by its version.
    """

    tenants: int = 0
    keys: int = 0
    secrets: int = 0
    destroyed: int = 0
    wrapped: Counter[int] = field(default_factory=Counter[int])

    def removable(self, masters: MasterKeys) -> tuple[int, ...]:
        """Return the master keys that nothing is wrapped by, so that they can be thrown away."""
        return tuple(
            version
            for version in masters.versions
            if version != masters.newest and not self.wrapped[version]
        )


def rewrap_all(
    database: Database,
    masters: MasterKeys,
    tell: Callable[[int, int], None] = lambda _a, _b: None,
    *,
    size: int = _BATCH,
) -> RotationReport:
    """Wrap the keys of all tenants by the newest master key; secrets stay as they are.

    Each batch is one transaction: where the process dies, what is done stays, and the next run
    does the rest. Nothing is unreadable at any moment to whoever has both master keys.

    Parameters
    ----------
    tell
        Called with how many tenants are done, and of how many.
    size
        Tenants of a batch.

    Raises
    ------
    SealBroken
        A stored key is not what was wrapped for its tenant.
    UnknownMasterKey
        A master key that wraps some is not here.
    """
    report = RotationReport()
    with _working(database) as (connection, tenants):
        for batch in _batches(connection, tenants, size):
            changed: list[tuple[object, ...]] = []
            for row in _rows(connection, _KEYS, batch):
                tenant, version, wrapped = row["tenant_id"], row["key_version"], row["wrapped_key"]
                fresh = rewrap(masters, tenant, version, bytes(wrapped))
                if fresh is not None:
                    changed.append((fresh, masters.newest, tenant, version, wrapped))
            _run(connection, _REWRAP, changed)
            report.keys += len(changed)
            report.tenants += len(batch)
            tell(report.tenants, len(tenants))
    report.wrapped = wrapped_by(database)
    return report


def reseal_all(
    database: Database,
    masters: MasterKeys,
    clock: Clock,
    *,
    older_than: timedelta,
    tell: Callable[[int, int], None] = lambda _a, _b: None,
    size: int = _BATCH,
) -> RotationReport:
    """Give tenants a new key, seal their secrets by it, and destroy the keys that sealed them.

    Parameters
    ----------
    older_than
        Tenants whose newest key is younger are done, so that a run that died goes on where it was.
    tell
        Called with how many tenants are done, and of how many.
    size
        Tenants of a batch.

    Raises
    ------
    SealBroken, UnknownMasterKey
        Something stored is not what was sealed, or cannot be opened by the keys at hand.
    """
    report = RotationReport()
    until = clock.now() - older_than
    with _working(database) as (connection, tenants):
        for batch in _batches(connection, tenants, size):
            for tenant in batch:
                connection.execute(_LOCK, (str(tenant),))
            work = _Batch(connection, masters, clock.now(), until)
            work.read(batch)
            work.write()
            report.keys += len(work.added)
            report.secrets += len(work.sealed) + len(work.factors)
            report.tenants += len(batch)
            tell(report.tenants, len(tenants))
        # Afterwards, so that nobody is amid reading a row that one of these had sealed.
        for batch in _batches(connection, tenants, size):
            for tenant in batch:
                connection.execute(_LOCK, (str(tenant),))
            report.destroyed += _destroy_unused(connection, batch)
    report.wrapped = wrapped_by(database)
    return report


def wrapped_by(database: Database) -> Counter[int]:
    """Return how many keys of tenants each master key wraps, as the keys themselves say."""
    found: Counter[int] = Counter()
    with _working(database) as (connection, tenants):
        for batch in _batches(connection, tenants):
            for row in _rows(connection, _KEYS, batch):
                found[master_version_of(bytes(row["wrapped_key"]))] += 1
    return found


class _Batch:
    """The tenants of one transaction, whose secrets are sealed anew."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        masters: MasterKeys,
        now: datetime,
        until: datetime,
    ) -> None:
        self._connection = connection
        self._masters = masters
        self._now = now
        self._until = until
        self.added: list[tuple[object, ...]] = []
        self.sealed: list[tuple[object, ...]] = []
        self.factors: list[tuple[object, ...]] = []

    def read(self, tenants: list[UUID]) -> None:
        """Make keys for those that are due, and seal by them what they have."""
        rows: dict[UUID, list[dict[str, Any]]] = {}
        for row in _rows(self._connection, _KEYS, tenants):
            rows.setdefault(row["tenant_id"], []).append(row)
        due = {one: keys for one, keys in rows.items() if keys[-1]["created_at"] < self._until}
        if not due:
            return
        ids = list(due)
        secrets = _rows(self._connection, _SECRETS, ids)
        factors = _rows(self._connection, _FACTORS, ids)
        opened: dict[tuple[UUID, int], DataKey] = {}
        fresh: dict[UUID, DataKey] = {}
        try:
            for tenant, keys in due.items():
                for row in keys:
                    version = row["key_version"]
                    stored = bytes(row["wrapped_key"])
                    opened[tenant, version] = unwrap(self._masters, tenant, version, stored)
                fresh[tenant] = self._add(tenant, keys[-1]["key_version"] + 1)
            for row in secrets:
                tenant, secret = row["tenant_id"], row["secret_id"]
                new = fresh[tenant]
                place = Place(tenant, row["purpose"], secret)
                moved = reseal(opened[tenant, row["key_version"]], new, place, bytes(row["sealed"]))
                self.sealed.append((moved, new.version, tenant, secret))
            for row in factors:
                tenant, user, sealed = row["tenant_id"], row["user_id"], bytes(row["sealed"])
                old = opened[tenant, key_version_of(sealed)]
                place = Place(tenant, TOTP_PURPOSE, user)
                self.factors.append((reseal(old, fresh[tenant], place, sealed), tenant, user))
        finally:
            for key in (*opened.values(), *fresh.values()):
                key.wipe()

    def write(self) -> None:
        """Store it, all or nothing."""
        _run(self._connection, _ADD, self.added)
        _run(self._connection, _RESEAL, self.sealed)
        _run(self._connection, _RESEAL_FACTOR, self.factors)

    def _add(self, tenant: UUID, version: int) -> DataKey:
        key = new_data_key(tenant, version)
        masters = self._masters
        self.added.append((tenant, version, masters.newest, wrap(masters, key), self._now))
        return key


def _destroy_unused(connection: psycopg.Connection[Any], tenants: list[UUID]) -> int:
    """Overwrite the keys, older than the newest of their tenant, that nothing is sealed by."""
    used = {(row["tenant_id"], row["key_version"]) for row in _rows(connection, _SECRETS, tenants)}
    for row in _rows(connection, _FACTORS, tenants):
        used.add((row["tenant_id"], key_version_of(bytes(row["sealed"]))))
    keys = [(row["tenant_id"], row["key_version"]) for row in _rows(connection, _KEYS, tenants)]
    used |= {(tenant, max(v for one, v in keys if one == tenant)) for tenant, _ in keys}
    unused = [key for key in keys if key not in used]
    _run(connection, _DESTROY, unused)
    return len(unused)


@contextmanager
def _working(
    database: Database,
) -> Generator[tuple[psycopg.Connection[Any], list[UUID]]]:
    """Open a connection of the one role that may list the tenants and act for any of them."""
    with database.connect(Role.EXECUTOR, application_name="candela keys") as connection:
        tenants = [row[0] for row in connection.execute(_TENANTS).fetchall()]
        connection.commit()
        yield connection, tenants


def _batches(
    connection: psycopg.Connection[Any], tenants: list[UUID], size: int = _BATCH
) -> Iterator[list[UUID]]:
    """Yield tenants in a transaction that acts for them; it is committed before the next."""
    for start in range(0, len(tenants), size):
        batch = tenants[start : start + size]
        with connection.transaction():
            connection.execute(_ACT, (",".join(map(str, batch)),))
            yield batch


def _rows(
    connection: psycopg.Connection[Any], query: str, tenants: list[UUID]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), (tenants,)).fetchall()


def _run(
    connection: psycopg.Connection[Any], statement: str, values: list[tuple[Any, ...]]
) -> None:
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement.encode(), values)
