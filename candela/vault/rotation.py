"""Rotation: the same key under a newer master key, the same secret under a newer key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.vault.envelope import key_version_of, master_version_of, seal, unseal, unwrap, wrap

if TYPE_CHECKING:
    from uuid import UUID

    from candela.vault.envelope import DataKey, Place
    from candela.vault.masterkeys import MasterKeys

__all__ = ["reseal", "rewrap"]


def rewrap(masters: MasterKeys, tenant_id: UUID, version: int, wrapped: bytes) -> bytes | None:
    """Return a tenant's key wrapped by the newest master key; None: it is already.

    Row by row, so that a rotation that was interrupted is begun again and does what is left.

    Raises
    ------
    SealBroken
        It was not wrapped for this tenant and version.
    UnknownMasterKey
        The master key that wrapped it is not here.
    """
    if master_version_of(wrapped) == masters.newest:
        return None
    key = unwrap(masters, tenant_id, version, wrapped)
    try:
        return wrap(masters, key)
    finally:
        key.wipe()


def reseal(old: DataKey, new: DataKey, place: Place, sealed: bytes) -> bytes | None:
    """Return a secret sealed by a tenant's newer key; None: it is already.

    Raises
    ------
    SealBroken
        The old key did not seal it for this place.
    """
    if key_version_of(sealed) == new.version:
        return None
    with unseal(old, place, sealed) as secret:
        return seal(new, place, secret)
