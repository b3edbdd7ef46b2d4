"""What can stand against a change of a bot, or the wish to trade money with it."""

from __future__ import annotations

from candela.errors import CandelaError, NotAllowed, RiskHalt

__all__ = [
    "CapitalNotConfirmed",
    "ConfigChanged",
    "ConfigUnread",
    "EmailNotVerified",
]


class ConfigChanged(CandelaError):
    """Somebody else changed the configuration since it was read."""

    status = 412
    code = "config_changed"


class ConfigUnread(CandelaError):
    """The request does not say which configuration it replaces."""

    status = 428
    code = "config_unread"


class EmailNotVerified(NotAllowed):
    """Trading money needs an address that was verified."""

    code = "email_not_verified"


class CapitalNotConfirmed(RiskHalt):
    """The amount that the bot would trade was not typed, or typed otherwise."""

    code = "capital_not_confirmed"
