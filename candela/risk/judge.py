"""The one judgement on an order before it is committed: every gate in order, and which decided."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from candela.errors import RiskHalt
from candela.gates import Gate, first_refusal
from candela.plans import entry_gates, refuse_beyond
from candela.risk.facts import EntryRequest
from candela.risk.martingale import ladder_gates
from candela.risk.money_gates import breaker_gates, day_gates, exposure_gates
from candela.risk.order_gates import entry_order_gates, exit_order_gates
from candela.risk.state_gates import state_gates, time_gates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from candela.plans import Entitlements
    from candela.risk.facts import ExitRequest, RiskFacts
    from candela.risk.limits import RiskLimits

__all__ = ["EntryRefused", "Verdict", "judge", "verdict_of"]


class EntryRefused(RiskHalt):
    """A gate refused an order."""

    code = "entry_refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gates that were asked, in order, and the one that decided.

    Parameters
    ----------
    decided_by
        The first gate that was not passed; None: the order may be committed.
    """

    gates: tuple[Gate, ...]
    decided_by: Gate | None

    @property
    def is_allowed(self) -> bool:
        """Whether the order may be committed."""
        return self.decided_by is None

    def as_list(self) -> list[dict[str, Any]]:
        """Return the gates as JSON can hold them, to be stored with the decision.

        Words are kept of gates that were not passed, and of the last: they are half of the bytes.
        """
        rows = [gate.as_dict() for gate in self.gates]
        for row in rows[:-1]:
            if row["passed"]:
                del row["words"]
        return rows

    def refuse(self) -> None:
        """Raise what the deciding gate says, if there is one: for orders by hand.

        Raises
        ------
        PlanLimitReached
            A gate of the plan decided.
        EntryRefused
            Another gate did.
        """
        if self.decided_by is None:
            return
        if self.decided_by.name.startswith("plan_"):
            refuse_beyond((self.decided_by,))
        hint = f"The gate {self.decided_by.name} decided; see docs/concepts/risk.md."
        raise EntryRefused(self.decided_by.words, hint)


def judge(
    request: EntryRequest | ExitRequest,
    facts: RiskFacts,
    limits: RiskLimits,
    plan: Entitlements,
    now: datetime,
) -> Verdict:
    """Judge an order by everything that is known; the same arguments give the same verdict.

    An exit is asked only whether the venue can take it: no kill switch, plan, limit, hour or bar
    keeps a person in a position. Gates without a limit are not asked.

    Parameters
    ----------
    now
        By the clock that the bar's times are on: the venue's, where it is known.
    """
    if not isinstance(request, EntryRequest):
        return verdict_of(exit_order_gates(request))
    return verdict_of(
        chain(
            state_gates(facts),
            entry_gates(
                plan,
                in_force=facts.plan_in_force,
                mode=request.mode,
                kind=request.kind,
                symbol=request.symbol,
                symbols_in_use=facts.symbols_in_use,
                trades_today=facts.tenant_trades_today,
                counts_as_trade=not request.is_leg,
                amount=request.amount,
                capital_in_use=facts.tenant_capital,
                usd_per_ccy=request.usd_per_ccy,
            ),
            time_gates(request, facts, limits, now),
            day_gates(request, facts, limits),
            breaker_gates(facts, limits),
            exposure_gates(request, facts, limits),
            ladder_gates(request, facts, limits),
            entry_order_gates(request, facts, limits),
        )
    )


def verdict_of(gates: Iterable[Gate]) -> Verdict:
    """Return the verdict of gates in order, without those that set no limit."""
    asked = tuple(gate for gate in gates if gate.limit is not None)
    return Verdict(asked, first_refusal(asked))
