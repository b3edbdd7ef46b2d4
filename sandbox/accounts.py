"""Opening accounts: keys as the venue gives them, and first balances."""

from __future__ import annotations

import secrets
import string
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from candela.errors import Conflict
from sandbox.records import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine import Engine

__all__ = ["AccountExists", "open_account"]

_LETTERS: Final = string.ascii_letters + string.digits
_LENGTH: Final = 64


class AccountExists(Conflict):
    """An account of that name or key is open already."""

    code = "sandbox_account_exists"


def open_account(
    engine: Engine,
    balances: Mapping[str, str | Decimal],
    *,
    name: str | None = None,
    key: str | None = None,
    secret: str | None = None,
    can_trade: bool = True,
    can_withdraw: bool = False,
    can_read: bool = True,
    ip_restricted: bool = False,
) -> Account:
    """Open an account with its first balances.

    Raises
    ------
    AccountExists
        Another one has that name or key.
    """
    ledger = engine.ledger
    account = Account(
        name=name or f"account-{len(ledger.accounts) + 1}",
        key=key or _token(),
        secret=secret or _token(),
        can_trade=can_trade,
        can_withdraw=can_withdraw,
        can_read=can_read,
        ip_restricted=ip_restricted,
    )
    if account.name in ledger.accounts or account.key in ledger.by_key:
        message = f"The sandbox has an account {account.name} or one with its key."
        raise AccountExists(message, "Choose another name and key, or leave them out.")
    opening = {asset: Decimal(value) for asset, value in balances.items()}
    ledger.open_account(account, opening, engine.clock.now_ms())
    ledger.commit()
    return account


def _token() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
