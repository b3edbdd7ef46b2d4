"""What can go wrong with a registration or a change of password."""

from __future__ import annotations

from candela.errors import Conflict, NotAllowed, StrategyError

__all__ = ["PasswordChangedMeanwhile", "UnknownReferral", "WrongPassword"]


class UnknownReferral(StrategyError):
    """Nobody has the code."""

    code = "unknown_referral"


class WrongPassword(NotAllowed):
    """The present password is another one."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The present password is another one.", "POST /auth/password/forgot.")


class PasswordChangedMeanwhile(Conflict):
    """Another request changed the password."""

    code = "password_changed_meanwhile"

    def __init__(self) -> None:
        super().__init__("The password was changed by another request.", "Log in with that one.")
