"""What administrators can be refused."""

from __future__ import annotations

from candela.errors import Conflict, NotFound

__all__ = ["LastSuperadmin", "NoSuchBot", "NoSuchUser", "OwnAccount"]


class NoSuchUser(NotFound):
    """No user of the platform has the id."""

    code = "no_such_user"


class NoSuchBot(NotFound):
    """No bot of the platform has the id."""

    code = "no_such_bot"


class LastSuperadmin(Conflict):
    """Nobody would be left who can make administrators."""

    code = "last_superadmin"


class OwnAccount(Conflict):
    """Administrators do not shut themselves out."""

    code = "own_account"
