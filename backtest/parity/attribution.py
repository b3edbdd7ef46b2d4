"""Attribution: the gap between bot and backtest, cut into causes whose sum is the gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from backtest.parity.reasons import why_absent, why_extra, why_other_exit
from backtest.parity.words import Cause, Difference, Evidence, Trip, rounded

__all__ = ["Parity", "attribute"]

_NOTHING: Final = Fraction(0)
_NO_EVIDENCE: Final = Evidence()
# A position sized by equity follows it to the step of the lot, and a little for rounded quotients.
_SLACK: Final = Fraction(1, 1_000_000)
# ... and by this, where the price that it was sized at is not on record.
_WIDE: Final = Fraction(1, 50)


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
        return not self.causes.get(Cause.DEFECT, Decimal(0))

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
                    **({"facts": dict(one.facts)} if one.facts else {}),
                }
                for one in self.differences
            ],
        }


@dataclass(slots=True)
class _Account:
    """Running totals while trips are gone through in order of time."""

    capital: Fraction
    bot: Fraction = _NOTHING
    backtest: Fraction = _NOTHING
    by_cause: dict[Cause, Fraction] = field(default_factory=dict[Cause, Fraction])
    found: list[Difference] = field(default_factory=list[Difference])

    def add(self, cause: Cause, amount: Fraction, bar: datetime, words: str) -> None:
        if amount:
            self.by_cause[cause] = self.by_cause.get(cause, _NOTHING) + amount
            self.found.append(Difference(cause, amount, bar, words))


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
    """
    account = _Account(Fraction(capital))
    theirs = {trip.decided_bar: trip for trip in backtest}
    ours = {trip.decided_bar: trip for trip in bot}
    both = sorted(ours.keys() | theirs.keys())
    last_cause: tuple[Cause, datetime | None] = (Cause.DEFECT, None)
    for bar in both:
        mine, other = ours.get(bar), theirs.get(bar)
        known = evidence.get(bar, _NO_EVIDENCE)
        if mine is not None and other is not None:
            cause = _matched(
                account, mine, other, known, evidence, follows_equity, follows_price, lot
            )
            last_cause = (cause, _later(mine.exit_bar, other.exit_bar))
            account.bot += mine.pnl
            account.backtest += other.pnl
        elif other is not None:
            cause, words = why_absent(known, bar, last_cause, _holds(bot, bar))
            account.add(cause, -other.pnl, bar, f"the backtest traded, the bot did not: {words}")
            last_cause = (cause, other.exit_bar)
            account.backtest += other.pnl
        elif mine is not None:
            cause, words = why_extra(known, last_cause, held=_holds(backtest, bar))
            account.add(cause, mine.pnl, bar, f"the bot traded, the backtest did not: {words}")
            last_cause = (cause, mine.exit_bar)
            account.bot += mine.pnl
    if revision:
        account.add(
            Cause.DATA_REVISION,
            Fraction(revision),
            both[0] if both else datetime.min,  # noqa: DTZ901 - never shown: without trips there is no revision
            "candles were corrected after they were decided on",
        )
        account.backtest -= Fraction(revision)
    return _closed(account, len(ours.keys() & theirs.keys()), len(ours), len(theirs))


def _matched(
    account: _Account,
    mine: Trip,
    other: Trip,
    known: Evidence,
    evidence: Mapping[datetime, Evidence],
    follows_equity: bool,  # noqa: FBT001 - private, always named by position here
    follows_price: bool,  # noqa: FBT001
    lot: Decimal,
) -> Cause:
    """Cut the difference of two trips of one decision; return the cause of most of it."""
    bar = mine.decided_bar
    before = dict(account.by_cause)
    size, theirs = mine.quantity, other.quantity
    unit = other.pnl / theirs
    _quantities(account, mine, other, known, unit, follows_equity, follows_price, lot)
    # Per unit bought: what the entries and exits cost and brought.
    entry_mine, entry_other = _mean(mine.entries), _mean(other.entries)
    exit_mine, exit_other = _proceeds(mine), _proceeds(other)
    entry_gap = -(entry_mine - entry_other) * size
    moved = _reference_gap(mine.entries, other.entries)
    latency = entry_gap if moved is None else -moved * size
    account.add(Cause.LATENCY, latency, bar, "the market moved before the entry filled")
    account.add(Cause.SLIPPAGE, entry_gap - latency, bar, "the entry filled off the market")
    exit_gap = (exit_mine - exit_other) * size
    if mine.exit_bar == other.exit_bar:
        moved = _reference_gap(mine.exits, other.exits)
        latency = exit_gap if moved is None else moved * size
        account.add(Cause.LATENCY, latency, bar, "the market moved before the exit filled")
        account.add(Cause.SLIPPAGE, exit_gap - latency, bar, "the exit filled off the market")
    else:
        cause, words = why_other_exit(mine, other, evidence)
        account.add(cause, exit_gap, bar, f"the exits were decided on different bars: {words}")
    fees_mine = sum((leg.fee for leg in mine.legs), _NOTHING)
    fees_other = sum((leg.fee for leg in other.legs), _NOTHING)
    account.add(Cause.FEE, fees_other * size / theirs - fees_mine, bar, "fees were others")
    # What the terms above leave: base that fees took was never sold.
    left = mine.pnl - other.pnl - _added(account.by_cause, before)
    account.add(Cause.FEE if mine.lost else Cause.DEFECT, left, bar, "fees took base")
    return _largest(account.by_cause, before)


def _quantities(
    account: _Account,
    mine: Trip,
    other: Trip,
    known: Evidence,
    unit: Fraction,
    follows_equity: bool,  # noqa: FBT001
    follows_price: bool,  # noqa: FBT001
    lot: Decimal,
) -> None:
    """Explain why another quantity was bought, in money of the backtest's profit a unit."""
    bar, size, theirs = mine.decided_bar, mine.quantity, other.quantity
    if size == theirs:
        return
    intended = size if known.intended is None else max(known.intended, size)
    account.add(Cause.REJECT, (size - intended) * unit, bar, "the venue filled a part only")
    rest = intended - theirs
    if not rest:
        return
    equity = theirs
    if follows_equity and account.capital + account.backtest > 0:
        equity = theirs * (account.capital + account.bot) / (account.capital + account.backtest)
    by_price = equity
    if follows_price:
        by_price = equity * _mean(other.entries) / _mean(mine.entries)
    if abs(intended - by_price) > Fraction(lot) + abs(theirs) * _SLACK:
        _reference = _mean_reference(mine.entries)
        if follows_price and _reference is not None:
            # Sized at the price of the decision, filled at another.
            by_price = (
                equity * (_mean_reference(other.entries) or _mean(other.entries)) / _reference
            )
        if abs(intended - by_price) > Fraction(lot) + abs(theirs) * _WIDE:
            account.add(
                Cause.DEFECT,
                (intended - by_price) * unit,
                bar,
                f"{float(intended):.8g} was asked for where {float(by_price):.8g} follows from"
                " capital and price",
            )
            rest = by_price - theirs
    # A larger or smaller account is the work of what happened before.
    for cause, share in _shares(account).items():
        account.add(cause, (equity - theirs) * unit * share, bar, "equity differed by then")
    rest -= equity - theirs
    account.add(Cause.LATENCY, rest * unit, bar, "the price that it was sized at differed")


def _shares(account: _Account) -> dict[Cause, Fraction]:
    """Return what part of the gap so far each cause has; the parts sum to 1."""
    total = sum(account.by_cause.values(), _NOTHING)
    if not total:
        return {Cause.LATENCY: Fraction(1)}
    return {cause: amount / total for cause, amount in account.by_cause.items()}


def _holds(trips: Sequence[Trip], bar: datetime) -> Trip | None:
    """Return the trip that is open at the end of a bar, entered on an earlier one."""
    for trip in trips:
        if trip.decided_bar < bar and (trip.exit_bar is None or bar <= trip.exit_bar):
            return trip
    return None


def _mean(legs: Sequence[Any]) -> Fraction:
    return sum((leg.quantity * leg.price for leg in legs), _NOTHING) / sum(
        (leg.quantity for leg in legs), _NOTHING
    )


def _mean_reference(legs: Sequence[Any]) -> Fraction | None:
    if any(leg.reference is None for leg in legs):
        return None
    return sum((leg.quantity * leg.reference for leg in legs), _NOTHING) / sum(
        (leg.quantity for leg in legs), _NOTHING
    )


def _proceeds(trip: Trip) -> Fraction:
    """Return what the exits brought a unit sold."""
    return _mean(trip.exits) if trip.exits else _NOTHING


def _reference_gap(mine: Sequence[Any], other: Sequence[Any]) -> Fraction | None:
    ours, theirs = _mean_reference(mine), _mean_reference(other)
    return None if ours is None or theirs is None else ours - theirs


def _added(now: Mapping[Cause, Fraction], before: Mapping[Cause, Fraction]) -> Fraction:
    return sum(now.values(), _NOTHING) - sum(before.values(), _NOTHING)


def _largest(now: Mapping[Cause, Fraction], before: Mapping[Cause, Fraction]) -> Cause:
    change: Callable[[Cause], Fraction] = lambda cause: abs(  # noqa: E731
        now[cause] - before.get(cause, _NOTHING)
    )
    return max(now, key=change, default=Cause.LATENCY)


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return None if first is None or second is None else max(first, second)


def _closed(account: _Account, matched: int, bot: int, backtest: int) -> Parity:
    """Round once, and put what rounding leaves into the largest cause, so that the sum is exact."""
    # Exact numbers: what the causes leave out is not rounding, and nobody may overlook it.
    missing = account.bot - account.backtest - sum(account.by_cause.values(), _NOTHING)
    if missing:
        last = account.found[-1].bar
        account.add(Cause.DEFECT, missing, last, "the causes do not sum to the gap")
    mine, theirs = rounded(account.bot), rounded(account.backtest)
    gap = mine - theirs
    causes = {cause: rounded(account.by_cause.get(cause, _NOTHING)) for cause in Cause}
    left = gap - sum(causes.values(), Decimal(0))
    if left:
        largest = max(causes, key=lambda cause: abs(causes[cause]))
        causes[largest] += left
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
