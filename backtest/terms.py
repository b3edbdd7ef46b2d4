"""The terms of a venue: its fees, and the steps and smallest order that are stored for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from candela.db.connect import Role
from candela.errors import NotFound
from candela.market.fees import venue_fees
from candela.market.instrument import Instrument

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["NoTerms", "venue_terms"]

_RULES: Final = """
SELECT i.amount_step, i.price_tick, i.minimum_cost FROM market.instruments AS i
WHERE i.venue = %s AND i.symbol = %s
"""


class NoTerms(NotFound):
    """The venue's fees are not known, or instruments of one run have different terms."""

    code = "no_terms"


def venue_terms(database: Database, instruments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return ``costs`` and ``rules`` of a spec for these instruments.

    Rules that the venue's catalogue does not name are left out: an instrument that came from a
    file has none.

    Raises
    ------
    NoTerms
        No fees of the venue are known, or the instruments do not share their terms.
    """
    found = {name: _terms_of(database, Instrument.parse(name)) for name in instruments}
    first, *others = found.items()
    for name, terms in others:
        if terms != first[1]:
            message = f"{first[0]} and {name} are traded on different terms."
            raise NoTerms(message, "Give fees and steps for all of them by their own options.")
    return first[1]


def _terms_of(database: Database, instrument: Instrument) -> dict[str, dict[str, Any]]:
    fees = venue_fees(instrument)
    if fees is None:
        message = f"The fees of {instrument.venue} are not known."
        raise NoTerms(message, "Give them: --fee-bps and --maker-fee-bps.")
    with database.connect(Role.ANALYST, autocommit=True) as connection:
        row = connection.execute(_RULES, (instrument.venue, instrument.symbol)).fetchone()
    names = ("lot", "tick", "minimum_notional")
    rules = {
        name: float(value)
        for name, value in zip(names, row or (), strict=False)
        if value is not None
    }
    # A rebate is no fee of the model's: it takes nothing for it.
    costs = {"taker_fee_bps": fees.taker_bps, "maker_fee_bps": max(fees.maker_bps, 0.0)}
    return {"costs": costs, "rules": rules}
