"""The outbox of mails: what is to be told is written in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args
from uuid import UUID

from psycopg.types.json import Jsonb

from candela.ids import new_id

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["MAIL_PARAMS", "MailKind", "Value", "mail_params", "plain_params", "queue_mail"]

MailKind = Literal[
    "verify_address",
    "address_known",
    "reset_password",
    "password_changed",
    "new_login",
    "second_factor_changed",
    "plan_changed",
    "payment_failed",
    "subscription_ends",
    "key_refused",
    "alert",
    "bot_halted",
    "daily_summary",
    "leaving_confirmed",
]
Value = str | int | bool | Decimal | date | datetime | Sequence[Mapping[str, Any]] | None
"""Of a parameter: amounts as Decimal, instants aware."""

MAIL_PARAMS: Final[Mapping[MailKind, frozenset[str]]] = {
    "verify_address": frozenset(),
    "address_known": frozenset(),
    "reset_password": frozenset(),
    "password_changed": frozenset(),
    # From where: the address of the network and what the browser calls itself.
    "new_login": frozenset({"address", "agent"}),
    # on, off, or codes: the recovery codes were made anew.
    "second_factor_changed": frozenset({"change"}),
    "plan_changed": frozenset({"plan"}),
    "payment_failed": frozenset({"amount", "currency"}),
    "subscription_ends": frozenset({"plan", "ends_at"}),
    # The label that its user gave the key, the venue, and what that said.
    "key_refused": frozenset({"label", "venue", "reason"}),
    # What its user called it, what was measured, and the limit that was asked for.
    "alert": frozenset({"name", "value", "limit"}),
    "bot_halted": frozenset({"bot", "reason"}),
    "daily_summary": frozenset({"day", "books"}),
    # When what is left will be gone.
    "leaving_confirmed": frozenset({"erased_at"}),
}
"""What each kind must be given, no more and no less; never a secret, a token or a link."""

_QUEUE: Final = """
INSERT INTO notify.mails
    (tenant_id, mail_id, user_id, kind, params, language, address, once_key, created_at, due_at)
SELECT
    tenant_id, %(mail)s, user_id, %(kind)s, %(params)s, language, %(address)s, %(once)s, %(at)s,
    %(due)s
FROM tenancy.users
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
ON CONFLICT DO NOTHING
"""


def queue_mail(
    session: TenantSession,
    kind: MailKind,
    *,
    user_id: UUID,
    clock: Clock,
    to_address: str | None = None,
    once_key: str | None = None,
    due_at: datetime | None = None,
    **params: Value,
) -> UUID | None:
    """Write a mail to a user of the tenant; it is sent if and only if the transaction is kept.

    Parameters
    ----------
    to_address
        Where it goes if not to the user's own address as it is when the mail is sent.
    once_key
        What the user is told once only; the second mail with the same is none.
    due_at
        Not before; default: at once.
    params
        As `MAIL_PARAMS` names them for the kind; never a secret, a token or a link.

    Returns
    -------
    UUID | None
        Its id; None where it was told before, or the tenant has no such user.

    Raises
    ------
    ValueError
        A parameter is missing, or too many are given.
    """
    now = clock.now()
    mail_id = new_id(now)
    values = {
        "mail": mail_id,
        "user": user_id,
        "kind": kind,
        "params": Jsonb(mail_params(kind, params)),
        "address": to_address,
        "once": once_key,
        "at": now,
        "due": due_at or now,
    }
    return mail_id if session.run(_QUEUE, values) else None


def mail_params(kind: MailKind, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mail's parameters as JSON holds them, amounts and instants as text.

    Raises
    ------
    ValueError
        There is no such kind, a parameter is missing, or too many are given.
    """
    if kind not in get_args(MailKind):
        message = f"there is no mail {kind}"
        raise ValueError(message)
    return plain_params(kind, MAIL_PARAMS[kind], params)


def plain_params(kind: str, wanted: AbstractSet[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON holds them.

    Raises
    ------
    ValueError
        One that is wanted is missing, or too many are given.
    """
    if set(params) ^ wanted:
        message = f"{kind} was given {sorted(params)}, and needs {sorted(wanted)}"
        raise ValueError(message)
    return {name: _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _plain(field) for name, field in fields.items()}
    return value
