"""Master keys: several versions at a time, of which the newest wraps."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from candela.errors import VaultError
from candela.vault.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

__all__ = ["KEY_BYTES", "BadMasterKeys", "MasterKeys", "UnknownMasterKey", "master_keys_from_text"]

KEY_BYTES: Final = 32
_LARGEST_VERSION: Final = 2**31 - 1
_FEWEST_DISTINCT: Final = 8
_HINT: Final = (
    "Write them as 1:<base64 of 32 bytes>,2:<...>. Make one with: python -c 'import base64, "
    "secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())'."
)


class BadMasterKeys(VaultError):
    """The text or file holds no usable master keys."""

    code = "bad_master_keys"


class UnknownMasterKey(VaultError):
    """A row was wrapped by a master key that is not here."""

    code = "unknown_master_key"


class MasterKeys:
    """Keys that wrap the keys of tenants, by version; the newest wraps, all unwrap.

    Parameters
    ----------
    keys
        Version to 32 bytes.
    is_generated
        Made by a machine for development, beside the data that it guards.

    Raises
    ------
    BadMasterKeys
        There is none, or one has another length or hardly any entropy.
    """

    __slots__ = ("_keys", "is_generated")

    def __init__(self, keys: Mapping[int, Credential], *, is_generated: bool = False) -> None:
        self._keys = dict(keys)
        self.is_generated = is_generated
        if not keys:
            raise BadMasterKeys("There is no master key.", _HINT)
        for version, key in keys.items():
            if not 1 <= version <= _LARGEST_VERSION:
                raise BadMasterKeys(f"{version} is no version of a master key.", _HINT)
            _check_key(version, key)

    @property
    def newest(self) -> int:
        """The version that wraps."""
        return max(self._keys)

    @property
    def versions(self) -> tuple[int, ...]:
        """All versions, ascending."""
        return tuple(sorted(self._keys))

    def key(self, version: int) -> Credential:
        """Return the key of a version.

        Raises
        ------
        UnknownMasterKey
            It is not here.
        """
        found = self._keys.get(version)
        if found is None:
            known = ", ".join(map(str, self.versions))
            message = f"Master key {version} is not here; versions: {known}."
            raise UnknownMasterKey(message, "Add it, until all keys are wrapped by a newer one.")
        return found

    def wipe(self) -> None:
        """Overwrite all keys in memory."""
        for key in self._keys.values():
            key.wipe()

    def __repr__(self) -> str:
        return f"MasterKeys(versions={self.versions})"


def master_keys_from_text(text: SecretStr, *, is_generated: bool = False) -> MasterKeys:
    """Read ``1:<base64>,2:<base64>``, as the setting master_keys has it; also one a line.

    Raises
    ------
    BadMasterKeys
        Saying which entry cannot be used, never what it is.
    """
    read = _read_entries(text)
    if isinstance(read, str):
        # Raised here, where no variable holds an entry: some tracebacks show variables.
        raise BadMasterKeys(read, _HINT)
    return MasterKeys(read, is_generated=is_generated)


def _read_entries(text: SecretStr) -> dict[int, Credential] | str:
    """Return the keys by version, or what is wrong with them."""
    keys: dict[int, Credential] = {}
    entries = text.get_secret_value().replace("\n", ",").split(",")
    stated = [entry.strip() for entry in entries if entry.strip()]
    for number, entry in enumerate(stated, 1):
        version, colon, encoded = entry.partition(":")
        if not colon or not version.isascii() or not version.isdecimal():
            return f"Master key entry {number} names no version."
        if int(version) in keys:
            return f"Master key {int(version)} is there twice."
        try:
            keys[int(version)] = Credential(base64.b64decode(encoded.strip(), validate=True))
        except (binascii.Error, ValueError):
            return f"Master key entry {number} is not base64."
    return keys


def _check_key(version: int, key: Credential) -> None:
    length, distinct = len(key.reveal_bytes()), len(set(key.reveal_bytes()))
    if length != KEY_BYTES:
        message = f"Master key {version} has {length} bytes, not {KEY_BYTES}."
        raise BadMasterKeys(message, _HINT)
    if distinct < _FEWEST_DISTINCT:
        message = f"Master key {version} repeats a few bytes: nobody drew it at random."
        raise BadMasterKeys(message, _HINT)
