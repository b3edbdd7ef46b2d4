"""Two trips of one decision: the difference of their profits, leg by leg, to the last unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final

from backtest.parity.account import Account
from backtest.parity.pairing import Pair, by_bar, pair_exits
from backtest.parity.reasons import Why, why_absent, why_extra, why_other_exit
from backtest.parity.words import Cause, Evidence, Leg, Trip

__all__ = ["Matching"]

_NOTHING: Final = Fraction(0)
_NO_EVIDENCE: Final = Evidence()
# A size follows equity to the step of the lot, and a little for rounded quotients.
_SLACK: Final = Fraction(1, 1_000_000)
# ... and by this, where the price or the equity that it was sized at is not on record.
_WIDE: Final = Fraction(1, 50)
# Where less than a thousandth would be left, all is sold.
_REST: Final = Fraction(1, 500)
_ROUNDED: Final = (Cause.LATENCY, "quantities are rounded to lots")


class Matching:
    """Explains pairs of trips that began with the same decision.

    The difference of two profits is cut by an identity. With net prices (fees inside), ``c`` of
    entries and ``n`` of exits, and ``N`` the backtest's mean exit: what the quantities of entries
    differ by is worth ``N - c`` a unit; what entries and exits of the same bar cost and brought
    differs by their prices; and what was sold on other bars is paired in order of time.
    """

    def __init__(
        self,
        account: Account,
        evidence: Mapping[datetime, Evidence],
        lot: Fraction,
        *,
        follows_equity: bool,
        follows_price: bool,
    ) -> None:
        self._account = account
        self._evidence = evidence
        self._lot = lot
        self._follows_equity = follows_equity
        self._follows_price = follows_price

    def explain(self, mine: Trip, other: Trip) -> Why:
        """Put the difference down to causes; return what later differences follow from."""
        account = self._account
        before = dict(account.by_cause)
        exits, others = by_bar(mine.exits), by_bar(other.exits)
        sold = sum((leg.quantity for leg in others), _NOTHING)
        mean = sum((leg.quantity * leg.net for leg in others), _NOTHING) / sold
        ended = self._ended(exits, others)
        entered = self._entries(mine, other, mean, ended)
        bars = {leg.decided_bar for leg in exits} & {leg.decided_bar for leg in others}
        left: Why | None = None
        for pair in pair_exits(exits, others, mine.quantity):
            why = self._exit(pair, bars, entered, mine)
            left = left or why
        largest = max(
            account.by_cause,
            key=lambda cause: abs(account.by_cause[cause] - before.get(cause, _NOTHING)),
            default=Cause.LATENCY,
        )
        return left or ended or entered or (largest, "prices and sizes differed")

    # --- entries ----------------------------------------------------------------------------------

    def _entries(self, mine: Trip, other: Trip, mean: Fraction, ended: Why | None) -> Why | None:
        """Explain what was bought; return why another number of legs was, where it was."""
        ours = {leg.decided_bar: leg for leg in by_bar(mine.entries)}
        theirs = {leg.decided_bar: leg for leg in by_bar(other.entries)}
        differs: Why | None = None
        for bar in sorted(ours.keys() | theirs.keys()):
            leg, answer = ours.get(bar), theirs.get(bar)
            known = self._evidence.get(bar, _NO_EVIDENCE)
            if leg is not None and answer is not None:
                partly = self._quantity(leg, answer, mean, mine, other)
                self._prices(Pair(leg.quantity, leg, answer), "entry")
                differs = differs or partly
            elif answer is not None:
                is_over = mine.exit_bar is not None and mine.exit_bar < bar
                before = ended if is_over else differs
                why = why_absent(known, known.entry, before)
                worth = -answer.quantity * (mean - answer.net)
                self._account.add(why[0], worth, bar, f"a leg was not bought: {why[1]}")
                differs = differs or why
            elif leg is not None:
                is_over = other.exit_bar is not None and other.exit_bar <= bar
                why = why_extra(known, ended if is_over else differs, leg)
                worth = leg.quantity * (mean - leg.net)
                self._account.add(why[0], worth, bar, f"a leg more was bought: {why[1]}")
                differs = differs or why
        return differs

    def _quantity(
        self, leg: Leg, answer: Leg, mean: Fraction, mine: Trip, other: Trip
    ) -> Why | None:
        """Explain another quantity, in money of what a unit of the backtest's leg earns."""
        account, bar, unit = self._account, leg.decided_bar, mean - answer.net
        size, theirs = leg.quantity, answer.quantity
        if size == theirs:
            return None
        wish = self._evidence.get(bar, _NO_EVIDENCE).entry
        intended = size if wish.intended is None else max(wish.intended, size)
        account.add(
            Cause.REJECT, (size - intended) * unit, bar, "the venue filled a part of the entry"
        )
        why = (Cause.REJECT, "the venue filled a part of the entry") if intended > size else None
        equity = theirs
        if self._follows_equity:
            backtest = _worth(account.capital + account.backtest, other, answer)
            if backtest > 0:
                equity = theirs * _worth(account.capital + account.bot, mine, leg) / backtest
        by_price = equity
        if self._follows_price:
            by_price = equity * _sized_at(answer, leg) / _sized_at(leg, answer)
        slack = self._lot + abs(theirs) * _SLACK
        if abs(intended - by_price) > slack and (
            not self._follows_price or abs(intended - by_price) > slack + abs(theirs) * _WIDE
        ):
            words = (
                f"{float(intended):.8g} was asked for where {float(by_price):.8g} follows from"
                " capital and price"
            )
            account.add(Cause.DEFECT, (intended - by_price) * unit, bar, words)
            intended = by_price
        # A larger or smaller account is the work of what happened before.
        for cause, share in account.shares().items():
            account.add(cause, (equity - theirs) * unit * share, bar, "equity differed by then")
        rest = (intended - equity) * unit
        account.add(Cause.LATENCY, rest, bar, "the price that it was sized at differed")
        return why

    # --- exits ------------------------------------------------------------------------------------

    def _ended(self, exits: Sequence[Leg], others: Sequence[Leg]) -> Why | None:
        """Return why one side was out before the other; None where they were out together."""
        last, answer = exits[-1], others[-1]
        if (last.decided_bar, last.is_mark) == (answer.decided_bar, answer.is_mark):
            return None
        return why_other_exit(last, answer, self._evidence, None)

    def _exit(self, pair: Pair, bars: set[datetime], entered: Why | None, mine: Trip) -> Why | None:
        """Explain one pair of exits; return why it was on other bars, where it was."""
        leg, answer, account = pair.mine, pair.other, self._account
        if leg is None:
            cause = Cause.FEE if mine.lost else Cause.DEFECT
            words = "fees took base, or what was left was too little to be sold"
            account.add(cause, -pair.quantity * answer.net, mine.decided_bar, words)
            return None
        if pair.is_same_bar:
            self._prices(pair, "exit")
            return None
        before: Why | None = None
        earlier = min(leg, answer, key=lambda one: (one.is_mark, one.decided_bar))
        small = 2 * self._lot + mine.quantity * _REST
        if not earlier.is_mark and earlier.decided_bar in bars:
            # Both sold then, and other parts: of positions that differed, or rounded ones.
            before = entered or (_ROUNDED if pair.quantity <= small else None)
        elif pair.quantity <= 2 * self._lot:
            before = _ROUNDED
        why = why_other_exit(leg, answer, self._evidence, before)
        worth = pair.quantity * (leg.net - answer.net)
        account.add(why[0], worth, leg.decided_bar, f"sold on different bars: {why[1]}")
        return why

    def _prices(self, pair: Pair, word: str) -> None:
        """Explain what a quantity cost or brought on the same bar, fees inside."""
        leg, answer, account = pair.mine, pair.other, self._account
        if leg is None:
            return
        bar, sign = leg.decided_bar, -leg.sign
        # The backtest's fee goes with the price; what is left is another rate.
        factor = sign * pair.quantity * (1 + leg.sign * answer.fee_rate)
        gap = leg.price - answer.price
        moved = gap
        if leg.reference is not None and answer.reference is not None:
            moved = leg.reference - answer.reference
        account.add(
            Cause.LATENCY, factor * moved, bar, f"the market moved before the {word} filled"
        )
        account.add(
            Cause.SLIPPAGE, factor * (gap - moved), bar, f"the {word} filled off the market"
        )
        rates = leg.fee_rate - answer.fee_rate
        account.add(Cause.FEE, -pair.quantity * leg.price * rates, bar, "fees were others")


def _worth(equity: Fraction, trip: Trip, leg: Leg) -> Fraction:
    """Return equity before a leg of a trip: what came before it at its price."""
    price = leg.price if leg.reference is None else leg.reference
    for one in trip.legs:
        if one.is_mark or one.decided_bar >= leg.decided_bar:
            continue
        equity += one.sign * one.quantity * (price - one.net)
    return equity


def _sized_at(leg: Leg, answer: Leg) -> Fraction:
    """Return the price that a leg was sized at: that of its decision where both are known."""
    if leg.reference is None or answer.reference is None:
        return leg.price
    return leg.reference
