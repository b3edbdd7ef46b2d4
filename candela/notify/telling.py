"""One word to all people of a tenant: a mail and a line in the inbox, once where a key says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from candela.notify.inbox import notify
from candela.notify.mails import MailKind, Value, queue_mail

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["tell_tenant"]

_PEOPLE: Final = """
SELECT user_id FROM tenancy.users WHERE tenant_id = %(tenant)s AND is_active ORDER BY user_id
"""


def tell_tenant(
    session: TenantSession,
    kind: MailKind,
    *,
    clock: Clock,
    once_key: str | None = None,
    **params: Value,
) -> int:
    """Write a mail and a notification to everybody who may log in; return how many are new.

    Parameters
    ----------
    once_key
        What is told once only, however often this is called.
    params
        As `candela.notify.mails.MAIL_PARAMS` names them for the kind.

    Raises
    ------
    ValueError
        A parameter is missing, or too many are given.
    """
    told = 0
    for row in session.rows(_PEOPLE, {}):
        values: dict[str, Any] = {"user_id": row["user_id"], "once_key": once_key, **params}
        if notify(session, kind, clock=clock, **values):
            queue_mail(session, kind, clock=clock, **values)
            told += 1
    return told
