"""What trading money asks of a person: a verified address, a second factor, the amount typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.bots.errors import CapitalNotConfirmed, EmailNotVerified
from api.bots.repository import is_verified
from api.deps import FRESH, SecondFactorNeeded
from candela.money import plain

if TYPE_CHECKING:
    from decimal import Decimal

    from candela.clock import Clock
    from candela.desk.bots import BotRow
    from candela.desk.session import TenantSession
    from candela.identity.caller import Caller

__all__ = ["require_live"]


def require_live(
    session: TenantSession,
    caller: Caller,
    bot: BotRow,
    *,
    confirmed: Decimal | None,
    asked: Decimal,
    clock: Clock,
) -> None:
    """Refuse to put money at risk where the person is not proven anew.

    Parameters
    ----------
    confirmed, asked
        The capital as it was typed again, and as it is configured.

    Raises
    ------
    EmailNotVerified
        The address was never verified.
    SecondFactorNeeded
        No second factor was shown in the last minutes; API tokens never show one.
    CapitalNotConfirmed
        The amount is missing, or another one.
    """
    if not is_verified(session, caller.user_id):
        message = f"{bot.name} trades money, and your e-mail address is not verified."
        raise EmailNotVerified(message, "Follow the link that was sent to it, or ask for another.")
    shown = caller.second_factor_at
    if caller.session_id is None or shown is None or clock.now() - shown > FRESH:
        raise SecondFactorNeeded
    if confirmed != asked:
        given = "nothing" if confirmed is None else plain(confirmed)
        message = (
            f"{bot.name} would trade {plain(asked)} {bot.quote_ccy}, and {given} was confirmed."
        )
        raise CapitalNotConfirmed(message, "Send confirm_capital with exactly that amount.")
