"""What is evaluated for a bot: a strategy's source, parameters, instrument and timeframe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe

__all__ = ["LONGEST_WARM_UP", "Definition", "canonical_text"]

LONGEST_WARM_UP: Final = 50_000
"""Bars that a live strategy may look back."""


@dataclass(frozen=True)
class Definition:
    """One evaluation a bar for all bots that share it; made by the room of strategies.

    Parameters
    ----------
    source_digest
        ``sha256:`` of the text that defines the strategy.
    parameters
        All of them, defaults filled in, as JSON holds them.
    warm_up
        Bars before a decision is the same from wherever the bars begin.
    reads
        Further instruments that it reads.
    timeframes
        How many bar lengths it reads, its own included.
    source
        Text of a strategy that does not ship; None for one that does.
    """

    strategy: str
    source_digest: str
    parameters: Mapping[str, Any]
    instrument: Instrument
    timeframe: Timeframe
    kind: Literal["spot", "fixed_payout"]
    warm_up: int
    reads: tuple[str, ...] = ()
    timeframes: int = 1
    source: str | None = None

    @cached_property
    def definition_id(self) -> str:
        """The sha256 of what it is, in hexadecimal: equal ones are evaluated once."""
        text = canonical_text(
            {
                "strategy": self.strategy,
                "source_digest": self.source_digest,
                "parameters": dict(self.parameters),
                "instrument": str(self.instrument),
                "timeframe": str(self.timeframe),
            }
        )
        return hashlib.sha256(text.encode()).hexdigest()


def canonical_text(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces.

    Raises
    ------
    ValueError
        A number is not finite.
    TypeError
        A value has no JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
