"""What commands of this room work with: the servers, the user they act for, and the venues."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Final

import typer

from candela.commands.fileoptions import BadOption
from candela.errors import Conflict

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from candela.bots.market import Market
    from candela.clock import Clock
    from candela.commands.output import Output
    from candela.desk.session import TenantSession
    from candela.desk.users import User
    from candela.embedded import Places
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.settings import Settings

__all__ = [
    "LOCAL_USER",
    "Operator",
    "UserOption",
    "WhichUser",
    "amount",
    "open_operator",
]

LOCAL_USER: Final = "trader@localhost"
"""Who a command acts for on a machine where nobody else was made."""
# A person waits: a venue that does not answer twice is taken from the catalogue.
_ATTEMPTS: Final = 2
_BUDGET_WAIT_S: Final = 15.0

UserOption = Annotated[
    str | None,
    typer.Option("--user", "-u", help="Address of whom to act for; default: the only user."),
]


class WhichUser(Conflict):
    """There are several users, and none was named."""

    code = "which_user"


@dataclass(frozen=True, slots=True)
class Operator:
    """The local operator, acting for one user."""

    output: Output
    settings: Settings
    places: Places
    user: User
    clock: Clock

    def session(self) -> AbstractContextManager[TenantSession]:
        """Open a transaction that acts for the user's tenant."""
        from candela.desk.session import tenant_session

        return tenant_session(self.places.database, self.user.tenant_id)

    def market(self, instrument: Instrument, timeframe: Timeframe | None = None) -> Market:
        """Return what the venue says of an instrument; a person is told where it is assumed.

        Raises
        ------
        CandelaError
            The venue lacks it, or neither the venue nor the catalogue can say.
        """
        from candela.db.connect import Role
        from candela.venues.budget import RequestBudget
        from candela.venues.client import VenueClient
        from candela.venues.gateway import VenueGateway
        from candela.venues.known import require_venue
        from candela.venues.listings import market_of
        from candela.venues.retry import RetryPolicy

        own = self.settings
        require_venue(instrument.venue)
        gateway = own.venue_gateway
        client = VenueClient(
            instrument.venue,
            budget=RequestBudget(
                instrument.venue, self.places.redis_url, share=own.venue_share_ratio
            ),
            clock=self.clock,
            gateway=VenueGateway.parse(gateway, own.venue_gateway_ca) if gateway else None,
            policy=RetryPolicy(attempts=_ATTEMPTS),
            timeout_s=own.venue_timeout_s,
            budget_wait_s=_BUDGET_WAIT_S,
        )
        with client, self.places.database.connect(Role.APP, autocommit=True) as connection:
            found = market_of(connection, client, instrument, timeframe)
        if found.is_assumed:
            self.output.note(
                f"{instrument.venue} does not answer; what was last known of {instrument.symbol}"
                " is assumed."
            )
        return found


def open_operator(output: Output, email: str | None) -> Operator:
    """Start what is needed, and find whom to act for.

    Raises
    ------
    UnknownUser
        Nobody has the address.
    WhichUser
        There are several users and none was named.
    """
    from candela.clock import SystemClock
    from candela.commands.places import open_command

    settings, places = open_command(output)
    clock = SystemClock()
    return Operator(output, settings, places, _user(output, places, clock, email), clock)


def _user(output: Output, places: Places, clock: Clock, email: str | None) -> User:
    from candela.desk.users import EmailTaken, all_users, create_user, find_user

    if email is not None:
        return find_user(places.database, email)
    users = all_users(places.database)
    if not users:
        try:
            made = create_user(places.database, LOCAL_USER, clock=clock, name="Trader")
        except EmailTaken:  # another command came first
            return find_user(places.database, LOCAL_USER)
        output.note(f"Made the user {LOCAL_USER} on the plan {made.plan}.")
        return made
    if len(users) > 1:
        names = ", ".join(user.email for user in users[:5])
        more = ", ..." if len(users) > 5 else ""  # noqa: PLR2004 - as many as were named
        message = f"There are {len(users)} users: {names}{more}."
        raise WhichUser(message, "Say for whom: --user ADDRESS.")
    return users[0]


def amount(text: str, option: str) -> Decimal:
    """Read an amount exactly as it is written.

    Raises
    ------
    BadOption
        It is no number.
    """
    try:
        value = Decimal(text.replace("_", ""))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise BadOption(f"{option} {text!r} is no amount.", "Write a number such as 250 or 0.015.")
    return value
