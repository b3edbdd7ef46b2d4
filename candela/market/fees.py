"""What venues charge: the fees of the first tier, as they were when this table was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

from candela.market.instrument import Instrument

__all__ = ["VenueFees", "fee_table", "venue_fees"]


@dataclass(frozen=True, slots=True)
class VenueFees:
    """Fees of the value traded, in basis points; a negative one is paid to the trader."""

    taker_bps: float
    maker_bps: float


@cache
def fee_table() -> dict[str, dict[str, list[float]]]:
    """Return, by venue and kind of contract, the fees of takers and makers in basis points.

    Source: ccxt 4.5.90 (MIT), ``describe()["fees"]`` of each exchange; a test compares.
    """
    text = files("candela.market").joinpath("fees.json").read_text("utf-8")
    return cast("dict[str, dict[str, list[float]]]", json.loads(text))


def venue_fees(instrument: Instrument) -> VenueFees | None:
    """Return the fees of an instrument's venue; None where the venue is not known.

    Notes
    -----
    A contract settled in its quote currency takes the venue's linear fees, one settled in its base
    the inverse ones, where the venue has such; anything else those of spot. Volume discounts,
    tokens and campaigns are not known.
    """
    kinds = fee_table().get(instrument.venue)
    if kinds is None:
        return None
    pair, _, settlement = instrument.symbol.partition(":")
    base = pair.partition("/")[0]
    kind = "spot" if not settlement else "inverse" if settlement == base else "linear"
    found = kinds.get(kind) or kinds.get("spot")
    return None if found is None else VenueFees(found[0], found[1])
