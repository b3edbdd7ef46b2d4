"""The second factor: codes of an authenticator, each taken once, and codes to recover with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pyotp
from pyotp.totp import TOTP

from candela.desk.secrets import data_key, newest_key
from candela.errors import Conflict
from candela.identity.caller import NotAuthenticated
from candela.vault.credential import Credential
from candela.vault.envelope import Place, key_version_of, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from candela.clock import Clock
    from candela.desk.session import TenantSession
    from candela.vault.masterkeys import MasterKeys

__all__ = [
    "RECOVERY_CODES",
    "CodeWrong",
    "SecondFactorOff",
    "SecondFactorOn",
    "Setup",
    "begin_setup",
    "confirm_setup",
    "make_recovery_codes",
    "show_code",
    "turn_off",
]

RECOVERY_CODES: Final = 10
PURPOSE: Final = "totp"
"""Of the sealed secret's place; its row is the user's."""
_STEP_S: Final = 30
_DRIFT: Final = 1
_DIGITS: Final = 6
_CODE_CHARS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
_CODE_LENGTH: Final = 12

_STATE: Final = """
SELECT c.totp_sealed, c.totp_confirmed_at, c.totp_last_step, u.email
FROM identity.credentials AS c
INNER JOIN tenancy.users AS u USING (tenant_id, user_id)
WHERE c.tenant_id = %(tenant)s AND c.user_id = %(user)s
FOR UPDATE OF c
"""
_BEGIN: Final = """
UPDATE identity.credentials SET totp_sealed = %(sealed)s, totp_last_step = NULL
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND totp_confirmed_at IS NULL
"""
_CONFIRM: Final = """
UPDATE identity.credentials SET totp_confirmed_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
# No code twice: only a later step is taken.
_TAKE_STEP: Final = """
UPDATE identity.credentials SET totp_last_step = %(step)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
    AND (totp_last_step IS NULL OR totp_last_step < %(step)s)
"""
_TAKE_CODE: Final = """
UPDATE identity.recovery_codes SET used_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND code_hash = %(hash)s AND used_at IS NULL
"""
_OFF: Final = """
UPDATE identity.credentials
SET totp_sealed = NULL, totp_confirmed_at = NULL, totp_last_step = NULL
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_NO_CODES: Final = """
DELETE FROM identity.recovery_codes WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_CODE: Final = """
INSERT INTO identity.recovery_codes (tenant_id, user_id, code_hash, made_at)
VALUES (%(tenant)s, %(user)s, %(hash)s, %(at)s)
"""


class CodeWrong(NotAuthenticated):
    """The code is wrong, too old, or was used."""

    code = "code_wrong"

    def __init__(self) -> None:
        super().__init__(
            "The code is wrong, too old, or was used before.",
            "Wait for the next code of the authenticator, or take a recovery code.",
        )


class SecondFactorOn(Conflict):
    """The second factor is in force already."""

    code = "second_factor_on"


class SecondFactorOff(Conflict):
    """There is no second factor, or its setup was not begun."""

    code = "second_factor_off"

    def __init__(self) -> None:
        hint = "Begin with POST /auth/2fa/setup, then confirm it."
        super().__init__("No second factor is set up.", hint)


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator is given, shown once.

    Parameters
    ----------
    secret
        In base 32, for typing.
    uri
        The same as an authenticator reads it from a picture.
    """

    secret: str
    uri: str


def begin_setup(
    session: TenantSession, masters: MasterKeys, *, user_id: UUID, clock: Clock
) -> Setup:
    """Make a shared secret and seal it; it counts once a code of it was shown.

    Raises
    ------
    SecondFactorOn
        One is in force; turn that off first.
    SecondFactorOff
        The user has no password yet.
    """
    state = _state(session, user_id)
    if state["totp_confirmed_at"] is not None:
        raise SecondFactorOn("The second factor is on.", "POST /auth/2fa/disable turns it off.")
    secret = pyotp.random_base32()
    key = newest_key(session, masters, clock)
    try:
        with Credential(secret) as shared:
            sealed = seal(key, Place(session.tenant_id, PURPOSE, user_id), shared)
    finally:
        key.wipe()
    session.run(_BEGIN, {"user": user_id, "sealed": sealed})
    totp = TOTP(secret)
    return Setup(secret, totp.provisioning_uri(name=state["email"], issuer_name="Candela"))


def confirm_setup(
    session: TenantSession, masters: MasterKeys, code: str, *, user_id: UUID, clock: Clock
) -> list[str]:
    """Put the second factor in force by a code of it; return the recovery codes, shown once.

    Raises
    ------
    SecondFactorOn
        It is in force already.
    SecondFactorOff
        The setup was not begun.
    CodeWrong
        The code is none of the secret's now.
    """
    state = _state(session, user_id)
    if state["totp_confirmed_at"] is not None:
        raise SecondFactorOn("The second factor is on.", "Nothing is left to confirm.")
    if not _is_code(session, masters, state, code, user_id=user_id, clock=clock):
        raise CodeWrong
    session.run(_CONFIRM, {"user": user_id, "at": clock.now()})
    return make_recovery_codes(session, user_id=user_id, clock=clock)


def show_code(
    session: TenantSession, masters: MasterKeys, code: str, *, user_id: UUID, clock: Clock
) -> datetime:
    """Take a code of the authenticator or a recovery code, once; return when.

    Raises
    ------
    SecondFactorOff
        None is in force.
    CodeWrong
        It is wrong, too old, or was used.
    """
    state = _state(session, user_id)
    if state["totp_confirmed_at"] is None:
        raise SecondFactorOff
    now = clock.now()
    if _is_code(session, masters, state, code, user_id=user_id, clock=clock):
        return now
    values = {"user": user_id, "hash": _hash(code), "at": now}
    if not session.run(_TAKE_CODE, values):
        raise CodeWrong
    return now


def make_recovery_codes(session: TenantSession, *, user_id: UUID, clock: Clock) -> list[str]:
    """Make ten codes that stand in for the authenticator, each once; older ones end."""
    session.run(_NO_CODES, {"user": user_id})
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    now = clock.now()
    for code in codes:
        session.run(_CODE, {"user": user_id, "hash": _hash(code), "at": now})
    return codes


def turn_off(session: TenantSession, *, user_id: UUID) -> None:
    """Take the second factor out of force, and its recovery codes with it."""
    session.run(_OFF, {"user": user_id})
    session.run(_NO_CODES, {"user": user_id})


def _state(session: TenantSession, user_id: UUID) -> dict[str, Any]:
    state = session.row(_STATE, {"user": user_id})
    if state is None:
        raise SecondFactorOff
    return state


def _is_code(
    session: TenantSession,
    masters: MasterKeys,
    state: Mapping[str, Any],
    code: str,
    *,
    user_id: UUID,
    clock: Clock,
) -> bool:
    if state["totp_sealed"] is None:
        raise SecondFactorOff
    given = code.replace(" ", "")
    if len(given) != _DIGITS or not (given.isascii() and given.isdigit()):
        return False
    sealed = bytes(state["totp_sealed"])
    key = data_key(session, masters, key_version_of(sealed))
    try:
        with unseal(key, Place(session.tenant_id, PURPOSE, user_id), sealed) as shared:
            totp = TOTP(shared.reveal())
            step = int(clock.now().timestamp()) // _STEP_S
            steps = [
                one
                for one in range(step - _DRIFT, step + _DRIFT + 1)
                if hmac.compare_digest(totp.generate_otp(one), given)
            ]
    finally:
        key.wipe()
    return any(session.run(_TAKE_STEP, {"user": user_id, "step": one}) for one in steps)


def _new_code() -> str:
    text = "".join(secrets.choice(_CODE_CHARS) for _ in range(_CODE_LENGTH))
    return "-".join(text[at : at + 4] for at in range(0, _CODE_LENGTH, 4))


def _hash(code: str) -> bytes:
    # 59 random bits, ten tries in a quarter of an hour: a plain hash holds.
    plain = code.replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
