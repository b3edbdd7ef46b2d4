"""Passwords: what is fit to be one, its hash, and whether one matches a stored hash."""

from __future__ import annotations

import functools
import secrets
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import bcrypt
from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from candela.errors import StrategyError

__all__ = [
    "LONGEST",
    "SHORTEST",
    "Verdict",
    "WeakPassword",
    "check_password",
    "decoy_hash",
    "hash_password",
    "verify_password",
]

SHORTEST: Final = 8
LONGEST: Final = 200
# The least that OWASP names: 19 MiB, two passes, one lane; some 23 ms of a core.
_HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
# Older systems hashed no more than so many bytes.
_BCRYPT_BYTES: Final = 72


class WeakPassword(StrategyError):
    """The password is too short, too long, or among the first that are guessed."""

    code = "weak_password"
    field = "body.password"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is the right one.

    Parameters
    ----------
    is_dated
        It is, and its hash is of an older kind: hash it anew and store that.
    """

    is_right: bool
    is_dated: bool = False


def check_password(password: str, *, email: str = "") -> None:
    """Refuse a password that nobody should have.

    No rule asks for digits or marks: length and not being common are what helps.

    Raises
    ------
    WeakPassword
        It is too short or long, is common, or is the address.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"The password has {len(password)} characters, not {SHORTEST} to {LONGEST}."
        raise WeakPassword(message, "A few words that do not belong together make a good one.")
    folded = _normal(password).casefold()
    address = email.strip().casefold()
    if folded in _common() or (address and folded in {address, address.partition("@")[0]}):
        message = "The password is among the first that are tried."
        raise WeakPassword(message, "Take another: a few words that do not belong together.")


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its salt and costs."""
    return _HASHER.hash(_normal(password).encode())


def verify_password(stored: str, password: str) -> Verdict:
    """Return whether a password is the one that was hashed.

    Hashes of bcrypt from older systems are taken too, to be replaced. They were made of the first
    72 bytes of what was typed, without normalisation.
    """
    if stored.startswith(_BCRYPT):
        typed = password.encode("utf-8", "surrogatepass")[:_BCRYPT_BYTES]
        try:
            is_right = bcrypt.checkpw(typed, stored.encode())
        except ValueError:  # a broken hash, or a NUL, which it cannot take
            is_right = False
        return Verdict(is_right, is_dated=is_right)
    try:
        _HASHER.verify(stored, _normal(password).encode("utf-8", "surrogatepass"))
    except (Argon2Error, InvalidHashError):
        return Verdict(is_right=False)
    return Verdict(is_right=True, is_dated=_HASHER.check_needs_rehash(stored))


@functools.cache
def decoy_hash() -> str:
    """Return a hash that nothing matches, for users who are not there: it costs as much."""
    return hash_password(secrets.token_urlsafe(32))


def _normal(password: str) -> str:
    # One password typed on two keyboards must be one: NFKC, as NIST SP 800-63B asks.
    return unicodedata.normalize("NFKC", password)


@functools.cache
def _common() -> frozenset[str]:
    text = files("candela.identity").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())
