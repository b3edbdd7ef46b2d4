"""Sealed secrets of a tenant: written once, opened by who trades with them, never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from candela.errors import NotFound
from candela.ids import new_id
from candela.vault.credential import Credential, last_four
from candela.vault.envelope import DataKey, Place, new_data_key, seal, unseal, unwrap, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "NoSecret",
    "Purpose",
    "data_key",
    "destroy_secret",
    "newest_key",
    "open_secret",
    "seal_secret",
]

Purpose = Literal["exchange", "broker", "adviser"]

_NEWEST: Final = """
SELECT key_version, wrapped_key FROM tenancy.tenant_keys
WHERE tenant_id = %(tenant)s ORDER BY key_version DESC LIMIT 1
"""
_VERSIONED: Final = """
SELECT wrapped_key FROM tenancy.tenant_keys
WHERE tenant_id = %(tenant)s AND key_version = %(version)s
"""
_KEY: Final = """
INSERT INTO tenancy.tenant_keys (tenant_id, key_version, master_version, wrapped_key, created_at)
VALUES (%(tenant)s, %(version)s, %(master)s, %(wrapped)s, %(at)s)
"""
_INSERT: Final = """
INSERT INTO tenancy.secrets
    (tenant_id, secret_id, purpose, label, venue, key_version, sealed, last_four, created_at)
VALUES
    (%(tenant)s, %(secret)s, %(purpose)s, %(label)s, %(venue)s, %(version)s, %(sealed)s,
     %(last_four)s, %(at)s)
"""
_SEALED: Final = """
SELECT s.purpose, s.sealed, s.key_version, k.wrapped_key
FROM tenancy.secrets AS s
INNER JOIN tenancy.tenant_keys AS k USING (tenant_id, key_version)
WHERE s.tenant_id = %(tenant)s AND s.secret_id = %(secret)s
"""
_USED: Final = """
INSERT INTO tenancy.secret_uses (tenant_id, use_id, secret_id, purpose, used_by, used_at)
VALUES (%(tenant)s, %(use)s, %(secret)s, %(why)s, %(by)s, %(at)s)
"""
# The row stays for what refers to it; its label is free for another one.
_DESTROY: Final = """
UPDATE tenancy.secrets SET
    sealed = '', check_state = %(state)s, check_reason = %(reason)s, try_at = NULL,
    doomed_at = NULL, dead_since = %(at)s, dead_reason = %(reason)s, totals = NULL,
    label = left(label, 60) || ' (destroyed ' || secret_id || ')'
WHERE tenant_id = %(tenant)s AND secret_id = %(secret)s AND sealed <> ''
"""


class NoSecret(NotFound):
    """The tenant has no such secret."""

    code = "no_secret"


def seal_secret(
    session: TenantSession,
    masters: MasterKeys,
    content: Mapping[str, Credential],
    *,
    purpose: Purpose,
    label: str,
    venue: str | None,
    shown: Credential,
    clock: Clock,
) -> UUID:
    """Seal the parts of a secret as one row of the tenant, and return its id.

    Parameters
    ----------
    content
        By name, such as ``api_key`` and ``secret``.
    shown
        The part whose last four characters tell its owner which one it is; never the secret part.
    """
    now = clock.now()
    secret_id = new_id(now)
    key = _data_key(session, masters, clock)
    try:
        whole = Credential(json.dumps({name: part.reveal() for name, part in content.items()}))
        with whole:
            sealed = seal(key, Place(session.tenant_id, purpose, secret_id), whole)
    finally:
        key.wipe()
    session.run(
        _INSERT,
        {
            "secret": secret_id,
            "purpose": purpose,
            "label": label,
            "venue": venue,
            "version": key.version,
            "sealed": sealed,
            "last_four": last_four(shown),
            "at": now,
        },
    )
    return secret_id


def open_secret(
    session: TenantSession,
    masters: MasterKeys,
    secret_id: UUID,
    *,
    why: str,
    used_by: str,
    clock: Clock,
) -> dict[str, Credential]:
    """Return the parts of a secret; that they were opened is written down in this transaction.

    Parameters
    ----------
    why, used_by
        For the record, such as ``trade`` and the name of an executor.

    Raises
    ------
    NoSecret
        The tenant has none of that id, or it was destroyed.
    SealBroken, UnknownMasterKey
        What is stored is not what was sealed, or its master key is not here.
    """
    row: dict[str, Any] | None = session.row(_SEALED, {"secret": secret_id})
    if row is None or not row["sealed"]:
        raise NoSecret(f"There is no secret {secret_id}.", "Enter the key of the account again.")
    now = clock.now()
    session.run(
        _USED,
        {"use": new_id(now), "secret": secret_id, "why": why, "by": used_by, "at": now},
    )
    key = unwrap(masters, session.tenant_id, row["key_version"], bytes(row["wrapped_key"]))
    try:
        place = Place(session.tenant_id, str(row["purpose"]), secret_id)
        with unseal(key, place, bytes(row["sealed"])) as whole:
            parts: dict[str, str] = json.loads(whole.reveal())
    finally:
        key.wipe()
    return {name: Credential(part) for name, part in parts.items()}


def destroy_secret(
    session: TenantSession,
    secret_id: UUID,
    *,
    reason: str,
    clock: Clock,
    state: Literal["refused", "lapsed", "destroyed"] = "destroyed",
) -> bool:
    """Overwrite what is sealed, for good; False where nothing was left of it.

    Parameters
    ----------
    reason
        For its owner, who sees it beside the row that stays.
    """
    values = {"secret": secret_id, "reason": reason, "state": state, "at": clock.now()}
    return session.run(_DESTROY, values) > 0


def _data_key(session: TenantSession, masters: MasterKeys, clock: Clock) -> DataKey:
    """Return the newest key of the tenant, made with its first secret."""
    session.lock()
    row = session.row(_NEWEST, {})
    if row is not None:
        wrapped = bytes(row["wrapped_key"])
        return unwrap(masters, session.tenant_id, row["key_version"], wrapped)
    key = new_data_key(session.tenant_id, 1)
    session.run(
        _KEY,
        {
            "version": key.version,
            "master": masters.newest,
            "wrapped": wrap(masters, key),
            "at": clock.now(),
        },
    )
    return key


def newest_key(session: TenantSession, masters: MasterKeys, clock: Clock) -> DataKey:
    """Return the tenant's newest data key, made where there is none; wipe it after use."""
    return _data_key(session, masters, clock)


def data_key(session: TenantSession, masters: MasterKeys, version: int) -> DataKey:
    """Return a data key of the tenant by its version; wipe it after use.

    Raises
    ------
    NoSecret
        The tenant has no such key: it was destroyed with all that it sealed.
    """
    row = session.row(_VERSIONED, {"version": version})
    if row is None:
        raise NoSecret(f"The tenant has no data key {version}.", "Enter the secret again.")
    return unwrap(masters, session.tenant_id, version, bytes(row["wrapped_key"]))
