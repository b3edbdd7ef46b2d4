"""A file of master keys that only its owner can read, made on first use for development."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from candela.errors import VaultError
from candela.vault.masterkeys import (
    KEY_BYTES,
    BadMasterKeys,
    MasterKeys,
    master_keys_from_text,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KeyFileExposed", "KeyFileMissing", "master_keys_from_file"]

_GENERATED: Final = "# generated for development: keep it apart from the data that it guards\n"
_OTHERS: Final = 0o077
_LARGEST: Final = 65_536


class KeyFileMissing(VaultError):
    """There is no file of master keys."""

    code = "key_file_missing"


class KeyFileExposed(VaultError):
    """Others than its owner can reach the file of master keys."""

    code = "key_file_exposed"


def master_keys_from_file(path: Path, *, create: bool, allow_generated: bool = True) -> MasterKeys:
    """Read master keys, one ``version:base64`` a line; lines with # are remarks.

    Parameters
    ----------
    create
        Make the file with one fresh key where there is none. Processes that start together agree
        on one key.
    allow_generated
        False in production: a key that a machine made beside its data guards nothing.

    Raises
    ------
    KeyFileMissing
        There is none, and none was to be made.
    KeyFileExposed
        It is a link, or belongs to another user, or others have rights on it.
    BadMasterKeys
        It holds no usable keys, or a generated one that is not allowed.
    """
    if create and not os.path.lexists(path):
        _make(path)
    text, is_generated = _read(path)
    if is_generated and not allow_generated:
        message = f"The master key in {path.name} was generated for development."
        hint = "Set CANDELA_MASTER_KEYS from a secret store, or write a key file of your own."
        raise BadMasterKeys(message, hint)
    return master_keys_from_text(text, is_generated=is_generated)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name and then linked: nobody ever reads half a key, and of two
    # processes that start together one link fails and that process reads the other's key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{_GENERATED}1:{key}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink()


def _read(path: Path) -> tuple[SecretStr, bool]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        message = f"There is no master key file {path}."
        hint = "Set CANDELA_MASTER_KEYS or CANDELA_MASTER_KEY_FILE."
        raise KeyFileMissing(message, hint) from None
    except OSError as error:
        message = f"The master key file {path} cannot be opened: {error.strerror}."
        raise KeyFileExposed(message, "It has to be a plain file of this user.") from None
    try:
        # Asked of what was opened: a path may be exchanged between two questions.
        _check(path, os.fstat(handle))
        return _entries(os.read(handle, _LARGEST).decode("ascii", errors="replace"))
    finally:
        os.close(handle)


def _check(path: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
        message = f"The master key file {path} is no plain file of this user."
        raise KeyFileExposed(message, "Write it anew as the user that runs Candela.")
    if about.st_mode & _OTHERS:
        message = f"The master key file {path} has mode {stat.S_IMODE(about.st_mode):o}."
        raise KeyFileExposed(message, "Others may have read it: draw a new key, and chmod 600.")


def _entries(text: str) -> tuple[SecretStr, bool]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return SecretStr("\n".join(lines)), text.startswith(_GENERATED)
