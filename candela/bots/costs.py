"""What trading costs a bot whose owner does not say: the first tier of its venue."""

from __future__ import annotations

from candela.market.fees import venue_fees
from candela.market.instrument import BadInstrument, Instrument

__all__ = ["usual_costs"]


def usual_costs(instrument: str) -> dict[str, float] | None:
    """Return what the venue charges at first, so that paper is not kinder than the venue.

    In basis points; None where the text names no instrument, or its venue's fees are not known.
    """
    try:
        fees = venue_fees(Instrument.parse(instrument))
    except BadInstrument:
        return None  # the configuration says so in its own words
    if fees is None:
        return None
    return {"taker_fee_bps": max(fees.taker_bps, 0.0), "maker_fee_bps": max(fees.maker_bps, 0.0)}
