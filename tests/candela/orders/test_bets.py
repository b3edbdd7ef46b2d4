"""The pure rules of bets: which bet it was, what a result books, what a transaction judges by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candela.money import ZERO
from candela.orders.bet_booking import DISPUTED, bet_opened, bet_settled, order_moved
from candela.orders.bet_match import rule_on
from candela.orders.bets import (
    Bet,
    BetEnding,
    BetIntent,
    BetOrder,
    BetShown,
    BetSide,
    BetStatus,
)
from candela.orders.records import Account, AccountKey
from candela.orders.words import IntentSource, OrderState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = AccountKey(UUID(int=1), UUID(int=2))
ACCOUNT = Account(KEY, "bets", "house", "fixed_payout", "paper", "USD")
INTENT = BetIntent(
    account=KEY,
    intent_id=UUID(int=3),
    bot_id=UUID(int=4),
    decision_id=None,
    asset="EUR/USD",
    bar_at=NOW - timedelta(minutes=1),
    leg="entry",
    source=IntentSource.SIGNAL,
    side=BetSide.CALL,
    stake=Decimal(5),
    ccy="USD",
    expires_at=NOW + timedelta(minutes=1),
    duration_s=60,
    payout_ratio=Decimal("0.8"),
    ladder_step=None,
    reference_price=None,
    valid_until=NOW + timedelta(seconds=15),
    shard=0,
    epoch=1,
    created_at=NOW,
)
ORDER = BetOrder(
    account=KEY,
    client_id="c1",
    intent_id=INTENT.intent_id,
    attempt=1,
    asset="EUR/USD",
    side=BetSide.CALL,
    stake=Decimal(5),
    state=OrderState.UNKNOWN,
    created_at=NOW,
    sent_at=NOW,
    fence_at=NOW + timedelta(seconds=15),
)
SHOWN = BetShown(
    venue_bet_id="h1",
    asset="EUR/USD",
    side=BetSide.CALL,
    stake=Decimal(5),
    payout_ratio=Decimal("0.85"),
    opened_at=NOW + timedelta(seconds=1),
    expires_at=NOW + timedelta(minutes=1),
)
AFTER = ORDER.fence_at + timedelta(seconds=1)
ENDINGS = [
    BetEnding(BetStatus.WON, Decimal("9.25")),
    BetEnding(BetStatus.LOST, ZERO),
    BetEnding(BetStatus.DRAWN, Decimal(5)),
    BetEnding(BetStatus.UNKNOWN, ZERO, reason="no result"),
]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "found"),
        ({"asset": "GBP/USD"}, "absent"),
        ({"side": BetSide.PUT}, "absent"),
        ({"stake": Decimal("5.01")}, "absent"),
        ({"opened_at": NOW - timedelta(seconds=10)}, "absent"),
        ({"opened_at": AFTER + timedelta(seconds=5)}, "absent"),
        ({"expires_at": NOW + timedelta(minutes=5)}, "absent"),
        ({"client_id": "other"}, "absent"),
        ({"client_id": "c1", "stake": Decimal(6)}, "found"),
    ],
)
def test_bet_when_it_is_like_what_was_sent_is_found(changes: dict[str, Any], kind: str) -> None:
    shown = replace(SHOWN, **changes)
    assert rule_on(ORDER, INTENT, [shown], (), ZERO, AFTER).kind == kind


@pytest.mark.parametrize(
    ("missing", "now", "kind"),
    [
        (ZERO, AFTER, "absent"),
        (ZERO, NOW, "open"),
        (None, AFTER, "open"),
        (Decimal(5), AFTER, "ambiguous"),
        (Decimal(-5), AFTER, "ambiguous"),
    ],
)
def test_bet_when_not_shown_is_absent_only_after_the_fence_with_all_money_there(
    missing: Decimal | None, now: datetime, kind: str
) -> None:
    assert rule_on(ORDER, INTENT, [], (), missing, now).kind == kind
    # Of bets that are ours already, none is it.
    assert rule_on(ORDER, INTENT, [SHOWN], {"h1"}, missing, now).kind == kind


def test_bet_when_shown_twice_is_one_and_two_alike_are_ambiguous() -> None:
    twin = replace(SHOWN, venue_bet_id="h2")
    assert rule_on(ORDER, INTENT, [SHOWN, SHOWN], (), ZERO, NOW).kind == "found"
    ruling = rule_on(ORDER, INTENT, [SHOWN, twin], (), ZERO, NOW)
    assert (ruling.kind, ruling.words) == ("ambiguous", "any of h1, h2 may be it")


def test_attempt_when_moved_follows_the_declared_graph() -> None:
    assert order_moved(ORDER, OrderState.UNKNOWN, NOW) is None
    opened = order_moved(ORDER, OrderState.OPEN, NOW, venue_bet_id="h1")
    assert opened is not None
    assert (opened.venue_bet_id, opened.answered_at, opened.final_at) == ("h1", NOW, None)
    assert order_moved(opened, OrderState.ABSENT, NOW) is None
    filled = order_moved(opened, OrderState.FILLED, NOW)
    assert filled is not None
    assert filled.final_at == NOW


def test_stake_when_accepted_is_what_the_broker_took() -> None:
    bet, entry = bet_opened(ACCOUNT, INTENT, replace(SHOWN, stake=Decimal("4.99")))
    assert (bet.trade_id, bet.stake, bet.payout_ratio) == (
        INTENT.intent_id,
        Decimal("4.99"),
        Decimal("0.85"),
    )
    assert (entry.amount, entry.kind) == (Decimal("-4.99"), "stake")


@given(st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=8), st.sampled_from(ENDINGS[:3]))
def test_results_when_told_in_any_row_book_the_first_known_one_once(
    told: list[BetEnding], last_word: BetEnding
) -> None:
    bet, stake = bet_opened(ACCOUNT, INTENT, SHOWN)
    entries = [stake]
    for ending in told:
        ended = bet_settled(bet, ending, "USD", NOW)
        bet = ended.bet
        entries += [] if ended.entry is None else [ended.entry]
    known = [ending for ending in told if ending.status.is_known]
    booked = sum((entry.amount for entry in entries), ZERO)
    assert booked == (known[0].paid if known else ZERO) - 5
    assert len({entry.entry_key for entry in entries}) == len(entries)
    contradict = len({ending.status for ending in known}) > 1
    assert (bet.reason == DISPUTED) is contradict
    if contradict or not known:
        assert bet.pnl is None
    # A person's word ends it, and the books say what it says.
    ended = bet_settled(bet, last_word, "USD", NOW + timedelta(hours=1), by_hand=True)
    final: Bet = ended.bet
    booked += ZERO if ended.entry is None else ended.entry.amount
    assert booked == final.pnl == last_word.paid - 5
    assert final.closed_at == final.expires_at
