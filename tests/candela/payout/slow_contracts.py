"""The rules of fixed payouts once more, slowly, in Decimal and plain lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candela.payout.rules import PayoutRules


@dataclass
class Slow:
    contracts: list[dict[str, Any]] = field(default_factory=list)
    equity: list[Decimal] = field(default_factory=list)
    skipped: int = 0
    rejected: int = 0
    ruin_bar: int = -1


def play_slowly(  # noqa: C901, PLR0915 - the rules in one reading
    time: Sequence[int],
    opens: Sequence[float],
    closes: Sequence[float],
    calls: Sequence[bool],
    puts: Sequence[bool],
    expiry: Sequence[int],
    length: int,
    rules: PayoutRules,
    cash: Decimal,
    payouts: Sequence[float] | None,
) -> Slow:
    out = Slow()
    step = 0
    live: list[dict[str, Any]] = []
    is_next = rules.fill == "next_open"

    def stake_now() -> Decimal:
        sizing = rules.sizing
        if sizing.kind == "fraction":
            exact = cash * sizing.value / rules.money_step
            stake = exact.to_integral_value(ROUND_DOWN) * rules.money_step
        else:
            exact = sizing.value * sizing.factor**step / rules.money_step
            stake = exact.to_integral_value(ROUND_HALF_UP) * rules.money_step
        return stake if sizing.max_stake is None else min(stake, sizing.max_stake)

    def enter(decision: int, bar: int, price: float) -> None:
        nonlocal cash
        ratio = rules.payout if payouts is None else Decimal(str(payouts[bar]))
        if len(live) == rules.max_open or ratio == 0:
            out.skipped += 1
            return
        stake = stake_now()
        if stake > cash and rules.sizing.when_short == "rest":
            stake = cash
        if stake > cash or stake < (rules.sizing.minimum_stake or rules.money_step):
            out.rejected += 1
            if not live and out.ruin_bar < 0:
                out.ruin_bar = bar
            return
        begins = time[bar] if is_next else time[bar] + length
        contract = {
            "entry_bar": bar,
            "expiry_bar": -1,
            "direction": 1 if calls[decision] else -1,
            "outcome": "OPEN",
            "ladder_step": step,
            "stake": stake,
            "payout": ratio,
            "entry_price": price,
            "expiry_price": closes[-1],
            "pnl": Decimal(0),
            "ends": begins + expiry[decision] * length,
        }
        cash -= stake
        live.append(contract)
        out.contracts.append(contract)

    def settle(bar: int) -> None:
        nonlocal cash, step
        over_next = time[bar + 1] + length if bar + 1 < len(time) else None
        for contract in list(live):
            # Its row is the last that ends by the expiry: this one does, the next one does not.
            if time[bar] + length > contract["ends"]:
                continue
            if over_next is None and time[bar] + length < contract["ends"]:
                continue
            if over_next is not None and over_next <= contract["ends"]:
                continue
            live.remove(contract)
            contract["expiry_bar"], contract["expiry_price"] = bar, closes[bar]
            moved = (closes[bar] > contract["entry_price"]) - (
                closes[bar] < contract["entry_price"]
            )
            if moved == contract["direction"]:
                exact = contract["stake"] * contract["payout"] / rules.money_step
                gain = exact.to_integral_value(ROUND_DOWN) * rules.money_step
                contract["outcome"], step = "WIN", 0
            elif moved == 0 and rules.refund_ties:
                contract["outcome"], gain = "TIE", Decimal(0)
            else:
                contract["outcome"] = "TIE" if moved == 0 else "LOSS"
                gain = -contract["stake"]
                steps = rules.sizing.steps if rules.sizing.kind == "martingale" else 1
                step = (step + 1) % steps
            contract["pnl"] = gain
            cash += contract["stake"] + gain

    for bar in range(len(time)):
        if is_next and bar > 0 and calls[bar - 1] != puts[bar - 1]:
            enter(bar - 1, bar, opens[bar])
        settle(bar)
        if not is_next and calls[bar] != puts[bar]:
            enter(bar, bar, closes[bar])
            settle(bar)
        out.equity.append(cash + sum((one["stake"] for one in live), Decimal(0)))
    return out
