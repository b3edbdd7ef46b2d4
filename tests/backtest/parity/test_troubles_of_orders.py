"""Troubles of a bot with its orders: each is named in the report, and nothing is left over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from backtest.parity.words import Cause
from tests.backtest.parity.afternoon import COSTS, entries, named, prove
from tests.backtest.parity.house import Troubles

if TYPE_CHECKING:
    from candela.db.connect import Database
    from candela.fills.model import Costs


def test_entry_when_a_limit_refused_it_is_a_risk_gate(database: Database) -> None:
    parity = prove(database, limits={"trades_per_day": 3})
    assert named(parity) == {Cause.RISK_GATE}
    assert parity.only_backtest >= 1


@pytest.mark.parametrize(
    ("costs", "cause"),
    [
        (COSTS.model_copy(update={"taker_fee_bps": 25.0}), Cause.FEE),
        (COSTS.model_copy(update={"slippage_bps": 20.0}), Cause.SLIPPAGE),
    ],
)
def test_costs_when_the_venue_takes_more_are_named(
    database: Database, costs: Costs, cause: Cause
) -> None:
    parity = prove(database, Troubles(charged=costs), bars=60)
    assert parity.causes[cause] < -10
    others = {one for one, amount in parity.causes.items() if one is not cause and abs(amount) > 1}
    assert others == set()


@pytest.mark.parametrize("kind", ["refused", "halved"])
def test_purchase_when_the_venue_took_none_or_a_part_is_a_reject(
    database: Database, kind: str
) -> None:
    troubles = replace(Troubles(), **{kind: frozenset({entries()[1]})})
    parity = prove(database, troubles)
    assert named(parity) == {Cause.REJECT}
    assert parity.only_backtest == (kind == "refused")


def test_troubles_when_they_mix_are_named_each(database: Database) -> None:
    bars = entries()
    troubles = Troubles(
        missing=frozenset({bars[0]}),
        refused=frozenset({bars[1]}),
        halved=frozenset({bars[2]}),
        outage=(bars[4], bars[4] + timedelta(minutes=10)),
        charged=COSTS.model_copy(update={"taker_fee_bps": 25.0}),
    )
    parity = prove(database, troubles, sizing={"kind": "fraction", "value": 0.5})
    wanted = {Cause.MISSED_BAR, Cause.REJECT, Cause.OUTAGE, Cause.FEE}
    assert named(parity) == wanted
