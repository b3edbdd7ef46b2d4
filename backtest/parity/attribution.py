"""Attribution: the gap between bot and backtest, cut into causes whose sum is the gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from backtest.parity.account import GRAIN, Account
from backtest.parity.reasons import Why, why_absent, why_extra
from backtest.parity.trips import Matching
from backtest.parity.words import Cause, Difference, Evidence, Trip, rounded
from candela.money import EXACT

__all__ = ["Parity", "attribute"]

_NO_EVIDENCE: Final = Evidence()
# Books keep 18 places.
_ROUNDED: Final = Fraction(1, 10**9)
_CARRIED: Final = "it still held what its version before had bought"


@dataclass(frozen=True, slots=True)
class Parity:
    """What came out: the gap and its causes.

    Attributes
    ----------
    bot_pnl, backtest_pnl, gap
        Quote, marked at the last close; gap is bot less backtest.
    causes
        Quote by cause; their sum is the gap, to the last place.
    """

    bot_pnl: Decimal
    backtest_pnl: Decimal
    gap: Decimal
    causes: Mapping[Cause, Decimal]
    differences: tuple[Difference, ...]
    matched: int
    only_bot: int
    only_backtest: int

    @property
    def is_explained(self) -> bool:
        """Whether no unit of the gap is left to a defect."""
        return not any(one.cause is Cause.DEFECT for one in self.differences)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored: numbers as texts."""
        return {
            "bot_pnl": str(self.bot_pnl),
            "backtest_pnl": str(self.backtest_pnl),
            "gap": str(self.gap),
            "causes": {str(cause): str(amount) for cause, amount in self.causes.items()},
            "matched": self.matched,
            "only_bot": self.only_bot,
            "only_backtest": self.only_backtest,
            "differences": [
                {
                    "cause": str(one.cause),
                    "amount": str(rounded(one.amount)),
                    "bar": one.bar.isoformat(),
                    "words": one.words,
                }
                for one in self.differences
            ],
        }


def attribute(
    bot: Sequence[Trip],
    backtest: Sequence[Trip],
    evidence: Mapping[datetime, Evidence],
    *,
    capital: Decimal,
    follows_equity: bool,
    follows_price: bool,
    lot: Decimal = Decimal(0),
    revision: Decimal = Decimal(0),
    carried_until: datetime | None = None,
) -> Parity:
    """Explain the gap between what a bot earned and what its backtest earns.

    Parameters
    ----------
    bot, backtest
        Trips in order of time, long ones.
    evidence
        By the start of the bar that was decided on.
    capital
        Quote given to the bot, as to the backtest.
    follows_equity, follows_price
        Whether the size of an entry is proportional to equity, and inversely to the price.
    lot
        Base: step of the quantity.
    revision
        Quote: profit of the backtest on the bars as seen, less that on the bars as known today;
        0 where `backtest` ran on those of today.
    carried_until
        Until then the bot held what another version of it had bought.
    """
    account = Account(Fraction(capital))
    matching = Matching(
        account, evidence, Fraction(lot), follows_equity=follows_equity, follows_price=follows_price
    )
    theirs = {trip.decided_bar: trip for trip in backtest}
    ours = {trip.decided_bar: trip for trip in bot}
    both = sorted(ours.keys() | theirs.keys())
    # By the bar of a trip: what made its end another one, or itself one side's own.
    since: dict[datetime, Why] = {}
    for bar in both:
        mine, other = ours.get(bar), theirs.get(bar)
        known = evidence.get(bar, _NO_EVIDENCE)
        if mine is not None and other is not None:
            since[bar] = matching.explain(mine, other)
        elif other is not None:
            held = _holds(bot, bar)
            before = None if held is None else _following(since[held.decided_bar])
            if held is None and carried_until is not None and bar < carried_until:
                before = Cause.RISK_GATE, _CARRIED
            cause, words = since[bar] = why_absent(known, known.entry, before)
            account.add(cause, -other.pnl, bar, f"the backtest traded, the bot did not: {words}")
        elif mine is not None:
            held = _holds(backtest, bar)
            before = None if held is None else _following(since[held.decided_bar])
            first = mine.legs[0]
            cause, words = since[bar] = why_extra(known, before, first)
            account.add(cause, mine.pnl, bar, f"the bot traded, the backtest did not: {words}")
        account.bot += Fraction(0) if mine is None else mine.pnl
        if mine is not None:
            _booked(account, mine)
        account.backtest += Fraction(0) if other is None else other.pnl
    if revision:
        account.add(
            Cause.DATA_REVISION,
            Fraction(revision),
            both[0] if both else datetime.min,  # noqa: DTZ901 - never shown: without trips there is no revision
            "candles were corrected after they were decided on",
        )
        account.backtest -= Fraction(revision)
    return _closed(account, len(ours.keys() & theirs.keys()), len(ours), len(theirs))


def _booked(account: Account, trip: Trip) -> None:
    """Let the books say what a trade earned; fills that say otherwise were changed, or are gone."""
    if trip.booked is None or abs(trip.booked - trip.pnl) <= _ROUNDED:
        return
    rest = trip.booked - trip.pnl
    cause, words = Cause.DEFECT, f"the books say {float(rest):+.8g} beyond what its fills say"
    if trip.pays_elsewhere:
        cause, words = Cause.FEE, "fees were paid in a third currency"
    account.add(cause, rest, trip.decided_bar, words)
    account.bot += rest


def _following(why: Why) -> Why:
    cause, words = why
    prefix = "follows from before: "
    return cause, words if words.startswith(prefix) else prefix + words


def _holds(trips: Sequence[Trip], bar: datetime) -> Trip | None:
    """Return the trip that is open at the end of a bar, entered on an earlier one."""
    for trip in trips:
        if trip.decided_bar < bar and (trip.exit_bar is None or bar <= trip.exit_bar):
            return trip
    return None


def _closed(account: Account, matched: int, bot: int, backtest: int) -> Parity:
    """Round once, and put what rounding leaves into the largest cause, so that the sum is exact."""
    # What the causes leave out beyond the grain of each is no rounding, and nobody may overlook it.
    missing = account.bot - account.backtest - sum(account.by_cause.values(), Fraction(0))
    if abs(missing) * GRAIN > len(account.found) + 20 * (bot + backtest):
        last = account.found[-1].bar
        account.add(Cause.DEFECT, missing, last, "the causes do not sum to the gap")
    mine, theirs = rounded(account.bot), rounded(account.backtest)
    gap = EXACT.subtract(mine, theirs)
    causes = {cause: rounded(account.by_cause.get(cause, Fraction(0))) for cause in Cause}
    left = Fraction(gap) - sum((Fraction(amount) for amount in causes.values()), Fraction(0))
    if left:
        largest = max(causes, key=lambda cause: abs(causes[cause]))
        causes[largest] = EXACT.add(causes[largest], rounded(left))
    return Parity(
        bot_pnl=mine,
        backtest_pnl=theirs,
        gap=gap,
        causes=causes,
        differences=tuple(account.found),
        matched=matched,
        only_bot=bot - matched,
        only_backtest=backtest - matched,
    )
