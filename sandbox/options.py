"""The options of the command line, read: pairs with files, balances, faults, instants."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from candela.errors import DataError
from sandbox.bars import read_series, series_of
from sandbox.faults import BadFault, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from sandbox.bars import Series

__all__ = ["BadSandboxOption", "read_balances", "read_faults", "read_start", "replayed", "split"]

_OPENING: Final = Decimal(10_000)


class BadSandboxOption(DataError):
    """An option of the sandbox cannot be used."""

    code = "sandbox_option"


def split(text: str, option: str) -> tuple[str, str]:
    """Return both sides of ``NAME=VALUE``.

    Raises
    ------
    BadSandboxOption
        There are none.
    """
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise BadSandboxOption(f"{option} {text} has no NAME=VALUE.", "Such as BTC/USDT=a.parquet.")
    return name, value


def replayed(files: Sequence[str], stored: Mapping[str, pl.DataFrame]) -> dict[str, Series]:
    """Return the candles that files and the store give, by pair."""
    found = {
        pair: read_series(Path(path)) for pair, path in (split(one, "--file") for one in files)
    }
    return found | {pair: series_of(frame) for pair, frame in stored.items()}


def read_balances(given: Sequence[str], pairs: Sequence[str]) -> dict[str, Decimal]:
    """Return the balances of the ready-made account; by default 10,000 of each quote.

    Raises
    ------
    BadSandboxOption
        An amount that is none.
    """
    if not given:
        return {pair.partition("/")[2]: _OPENING for pair in pairs}
    found: dict[str, Decimal] = {}
    for asset, text in (split(one, "--balance") for one in given):
        try:
            found[asset] = Decimal(text)
        except InvalidOperation:
            found[asset] = Decimal(-1)
        if not found[asset].is_finite() or found[asset] < 0:
            message = f"--balance {asset}={text} is no amount."
            raise BadSandboxOption(message, "Such as USDT=10000.")
    return found


def read_faults(path: Path | None) -> list[Fault]:
    """Read a JSON file with a list of faults.

    Raises
    ------
    BadFault
        Not there, no list, or a fault that cannot be.
    """
    if path is None:
        return []
    hint = 'A list such as [{"kind": "reset", "path": "order", "executes": "yes"}].'
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFault(f"{path} cannot be read as faults: {error}.", hint) from None
    if not isinstance(content, list):
        raise BadFault(f"{path} holds no list.", hint)
    return [Fault.read(one) for one in cast("list[dict[str, object]]", content)]


def read_start(text: str | None) -> datetime | None:
    """Read an instant; without an offset it is UTC.

    Raises
    ------
    BadSandboxOption
        It is none.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"--start {text} is no instant."
        raise BadSandboxOption(message, "Such as 2022-12-13T08:00.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
