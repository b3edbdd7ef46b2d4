"""What can go wrong with a login."""

from __future__ import annotations

from candela.identity.caller import NotAuthenticated

__all__ = ["LoginRefused"]


class LoginRefused(NotAuthenticated):
    """Address and password do not belong together, or the address is not verified yet."""

    code = "login_refused"

    def __init__(self) -> None:
        super().__init__(
            "Address and password do not belong together, or the address is not verified.",
            "Look for our mail, or take a new password: POST /auth/password/forgot.",
        )
