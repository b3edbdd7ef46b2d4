"""The error tree: every failure a person can meet, what happened and what to do.

CandelaError
├── NotFound            404  nothing under that name
├── NotAllowed          403  the plan or the role does not include it
├── Conflict            409  the state forbids it now
│   └── RiskHalt        409  a rule that guards money says no
├── RateLimited         429  a venue or a limit of ours says wait        (retryable)
├── BrokerError         502  a venue or broker answered wrongly
│   └── BrokerUnavailable 503  no usable answer                          (retryable)
├── DataError           422  candles that cannot be taken as they are
├── StrategyError       422  a strategy, or what was asked of it, is wrong
├── ConfigError         500  a setting is missing, default or contradictory
├── VaultError          500  a secret cannot be sealed, or what was sealed is not what it was
└── MigrationError      500  the schema is not what the files say

Leaves live beside the code that raises them and subclass a branch.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BrokerError",
    "BrokerUnavailable",
    "CandelaError",
    "ConfigError",
    "Conflict",
    "DataError",
    "MigrationError",
    "NotAllowed",
    "NotFound",
    "RateLimited",
    "RiskHalt",
    "StrategyError",
    "VaultError",
]


class CandelaError(Exception):
    """Say what happened, with which value, and what to do about it.

    Parameters
    ----------
    message
        One sentence with the value at fault; never a secret.
    hint
        What the reader can do next.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Return the fields that every surface shows: code, message, hint, status, retryable."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "status": self.status,
            "retryable": self.retryable,
        }


class NotFound(CandelaError):
    """Nothing exists under the name that was asked for."""

    status = 404
    code = "not_found"


class Conflict(CandelaError):
    """The state of things forbids the request now."""

    status = 409
    code = "conflict"


class RiskHalt(Conflict):
    """A rule that guards money says no."""

    code = "risk_halt"


class NotAllowed(CandelaError):
    """The plan or the role does not include what was asked for."""

    status = 403
    code = "not_allowed"


class RateLimited(CandelaError):
    """A venue, or a limit of ours, says wait."""

    status = 429
    code = "rate_limited"
    retryable = True


class BrokerError(CandelaError):
    """A venue or broker answered with something that cannot be used."""

    status = 502
    code = "broker_error"


class BrokerUnavailable(BrokerError):
    """A venue or broker gave no usable answer; asking again may help."""

    status = 503
    code = "broker_unavailable"
    retryable = True


class DataError(CandelaError):
    """Candles that cannot be taken as they are."""

    status = 422
    code = "data_error"


class StrategyError(CandelaError):
    """A strategy cannot be used as it is, or was asked for something it does not do."""

    status = 422
    code = "strategy_error"


class ConfigError(CandelaError):
    """A setting is missing, left at a default that is not safe, or contradictory."""

    code = "config_error"


class VaultError(CandelaError):
    """A secret cannot be sealed or opened."""

    code = "vault_error"


class MigrationError(CandelaError):
    """The database's schema is not what the files in sql/ say."""

    code = "migration_error"
