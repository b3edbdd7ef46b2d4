"""Envelopes: AES-256-GCM that opens only in the tenant, purpose, row and key it was sealed for."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from candela.errors import VaultError
from candela.vault.credential import Credential
from candela.vault.masterkeys import KEY_BYTES

if TYPE_CHECKING:
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "DataKey",
    "Place",
    "SealBroken",
    "key_version_of",
    "master_version_of",
    "new_data_key",
    "seal",
    "unseal",
    "unwrap",
    "wrap",
]

# format, kind, version of the key, nonce; then ciphertext and tag.
_HEADER: Final = struct.Struct(">BBI12s")
_FORMAT: Final = 1
_WRAPPED: Final = 1
_SEALED: Final = 2
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HINT: Final = (
    "It was changed, moved from another row, or belongs to another key: restore the row, or enter "
    "the secret again."
)


class SealBroken(VaultError):
    """What is stored is not what was sealed for this place."""

    code = "seal_broken"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret is stored; a sealed one opens nowhere else.

    Parameters
    ----------
    purpose
        Table and column, or what it is for, such as ``exchange``.
    row_id
        Of the row.
    """

    tenant_id: UUID
    purpose: str
    row_id: UUID


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one tenant that seals its secrets; destroying it destroys them.

    Parameters
    ----------
    version
        Of the tenant's keys, from 1.
    """

    tenant_id: UUID
    version: int
    key: Credential

    def wipe(self) -> None:
        """Overwrite the key in memory."""
        self.key.wipe()


def new_data_key(tenant_id: UUID, version: int) -> DataKey:
    """Return a fresh random key."""
    return DataKey(tenant_id, version, Credential.taking(bytearray(secrets.token_bytes(KEY_BYTES))))


def wrap(masters: MasterKeys, key: DataKey) -> bytes:
    """Return a tenant's key wrapped by the newest master key, to be stored in its row."""
    version = masters.newest
    context = _wrap_context(key.tenant_id, key.version)
    return _encrypt(masters.key(version), _WRAPPED, version, context, key.key)


def unwrap(masters: MasterKeys, tenant_id: UUID, version: int, wrapped: bytes) -> DataKey:
    """Return a tenant's key from its row.

    Parameters
    ----------
    version
        Of the tenant's keys, as its row says.

    Raises
    ------
    SealBroken
        It was not wrapped for this tenant and version.
    UnknownMasterKey
        The master key that wrapped it is not here.
    """
    master = masters.key(master_version_of(wrapped))
    return DataKey(
        tenant_id, version, _decrypt(master, _WRAPPED, wrapped, _wrap_context(tenant_id, version))
    )


def seal(key: DataKey, place: Place, secret: Credential) -> bytes:
    """Return a secret sealed for one place, to be stored there.

    Raises
    ------
    SealBroken
        The key belongs to another tenant.
    """
    return _encrypt(key.key, _SEALED, key.version, _seal_context(key, place), secret)


def unseal(key: DataKey, place: Place, sealed: bytes) -> Credential:
    """Return the secret that was sealed for this place by this key.

    Raises
    ------
    SealBroken
        Anything differs: a bit, the tenant, the purpose, the row, the key.
    """
    if key_version_of(sealed) != key.version:
        message = f"The secret of row {place.row_id} was sealed by another key."
        raise SealBroken(message, _HINT)
    return _decrypt(key.key, _SEALED, sealed, _seal_context(key, place))


def master_version_of(wrapped: bytes) -> int:
    """Return the version of the master key that wrapped a key.

    Raises
    ------
    SealBroken
        It is no wrapped key.
    """
    return _header(wrapped, _WRAPPED)[0]


def key_version_of(sealed: bytes) -> int:
    """Return the version of the tenant's key that sealed a secret.

    Raises
    ------
    SealBroken
        It is no sealed secret.
    """
    return _header(sealed, _SEALED)[0]


def _encrypt(key: Credential, kind: int, version: int, context: bytes, secret: Credential) -> bytes:
    # Random nonces: a key of one tenant seals far fewer than the 2**32 secrets they are good for.
    nonce = secrets.token_bytes(_NONCE_BYTES)
    header = _HEADER.pack(_FORMAT, kind, version, nonce)
    cipher = AESGCM(key.reveal_bytes())
    return header + cipher.encrypt(nonce, secret.reveal_bytes(), header + context)


def _decrypt(key: Credential, kind: int, sealed: bytes, context: bytes) -> Credential:
    _, nonce = _header(sealed, kind)
    header, body = sealed[: _HEADER.size], sealed[_HEADER.size :]
    opened = bytearray(len(body) - _TAG_BYTES)
    try:
        AESGCM(key.reveal_bytes()).decrypt_into(nonce, body, header + context, opened)
    except InvalidTag:
        # The library decrypts before it compares tags, and leaves what it decrypted.
        opened[:] = bytes(len(opened))
        message = "What is stored is not what was sealed for this place."
        raise SealBroken(message, _HINT) from None
    return Credential.taking(opened)


def _header(stored: bytes, kind: int) -> tuple[int, bytes]:
    if len(stored) < _HEADER.size + _TAG_BYTES:
        message = f"What is stored has {len(stored)} bytes, too few for anything sealed."
        raise SealBroken(message, _HINT)
    form, stored_kind, version, nonce = _HEADER.unpack_from(stored)
    if (form, stored_kind) != (_FORMAT, kind):
        message = f"What is stored is of format {form}.{stored_kind}, not {_FORMAT}.{kind}."
        raise SealBroken(message, _HINT)
    return version, nonce


def _wrap_context(tenant_id: UUID, version: int) -> bytes:
    return struct.pack(">16sI", tenant_id.bytes, version)


def _seal_context(key: DataKey, place: Place) -> bytes:
    if key.tenant_id != place.tenant_id:
        message = f"The key of tenant {key.tenant_id} is not for tenant {place.tenant_id}."
        raise SealBroken(message, _HINT)
    purpose = place.purpose.encode()
    # The length first: no two places have the same context.
    head = struct.pack(">16s16sI", place.tenant_id.bytes, place.row_id.bytes, len(purpose))
    return head + purpose
