"""The desk of bets against a house that loses answers and results: fault by fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest

from candela.brokers.payout_port import ContractState, Direction, PayoutRequest
from candela.orders.bets import BetStatus
from candela.risk.limits import RiskLimits
from live.bets.desk import BetNotOpen
from live.desk.terms import DeskNotReady
from tests.live.bets.house import Buy, Result
from tests.live.bets.table import ASSET, BAR, OPENING, Table, ladder, play

LOST, WON, TIED = ContractState.LOST, ContractState.WON, ContractState.TIED


def results(*values: Result) -> Iterable[Result]:
    yield from values
    while True:
        yield "ok"


async def sleep_to_bar() -> None:
    """Go on one second after the next bar's start."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(61.0 - loop.time() % 60.0)


@pytest.mark.parametrize(
    ("state", "status", "gain"),
    [(WON, "won", "4.25"), (LOST, "lost", "-5"), (TIED, "drawn", "0")],
)
def test_bet_when_accepted_is_settled_at_expiry_with_money_exact(
    state: ContractState, status: str, gain: str
) -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.win = lambda: state
        bot = table.bot()
        desk = await table.sit()
        assert await table.bet(bot) == ("committed", None)
        assert desk.image.free == OPENING - 5
        await asyncio.sleep(2)
        assert table.statuses() == ["open"]
        assert table.ledger() == table.house.free == OPENING - 5
        assert desk.image.reserved == 0
        await asyncio.sleep(70)
        assert table.statuses() == [status]
        assert table.ledger() == table.house.free == OPENING + Decimal(gain)
        assert [one.pnl for one in table.settled] == [Decimal(gain)]
        assert table.books.balance_of(table.key, "USD").locked == 0
        assert table.codes() == []

    play(story)


@pytest.mark.parametrize("fault", ["lost", "twice", "contradictory"])
def test_result_when_told_wrongly_is_booked_once_from_the_statement(fault: Result) -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.results = iter(results(fault)).__next__
        await table.sit()
        await table.bet(table.bot())
        await asyncio.sleep(180)
        assert table.statuses() == ["won"]
        assert table.ledger() == table.house.free == OPENING + Decimal("4.25")
        assert len(table.settled) == 1
        assert table.codes() == []

    play(story)


def test_result_when_late_is_unknown_after_the_deadline_blocks_and_is_booked_when_it_comes() -> (
    None
):
    async def story() -> None:
        table = Table.laid(RiskLimits(martingale=ladder()))
        table.house.results = iter(results("late")).__next__
        table.house.win = lambda: LOST
        bot = table.bot()
        await table.sit()
        await table.bet(bot)
        await asyncio.sleep(89)
        assert table.statuses() == ["open"]
        await asyncio.sleep(7)
        assert table.statuses() == ["unknown"]
        assert table.codes() == ["result_unknown"]
        row = table.books.bots[table.key.tenant_id, bot]
        assert row.state == "blocked"
        # Neither a win nor a loss: the ladder waits.
        assert (await table.bet(bot))[1] == "bets_known"
        await asyncio.sleep(60)
        assert table.statuses() == ["lost"]
        assert row.state == "running"
        await sleep_to_bar()
        commit = table.commit(bot)
        assert (commit.intent.ladder_step, commit.intent.stake) == (1, Decimal(10))

    play(story)


def test_result_when_it_never_comes_stays_unknown_until_a_person_says_it() -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.results = iter(results("never")).__next__
        bot = table.bot()
        desk = await table.sit()
        await table.bet(bot)
        await asyncio.sleep(4_000)
        assert table.statuses() == ["unknown"]
        assert table.ledger() == OPENING - 5
        (trade_id,) = desk.image.bets
        await desk.settle_by_hand(trade_id, BetStatus.WON, Decimal("9.25"))
        assert table.statuses() == ["won"]
        assert table.ledger() == table.house.free
        assert table.books.bots[table.key.tenant_id, bot].state == "running"
        with pytest.raises(BetNotOpen):
            await desk.settle_by_hand(trade_id, BetStatus.LOST, Decimal(0))

    play(story)


def test_statement_when_it_contradicts_what_is_booked_makes_a_dispute_without_moving_money() -> (
    None
):
    async def story() -> None:
        table = Table.laid()
        bot = table.bot()
        desk = await table.sit()
        await table.bet(bot)
        await asyncio.sleep(70)
        (truth,) = table.house.contracts.values()
        truth.contract = replace(truth.contract, state=LOST, returned=Decimal(0))
        table.house.free -= Decimal("9.25")
        await asyncio.sleep(120)
        assert table.statuses() == ["unknown"]
        assert table.codes() == ["result_disputed"]
        assert table.ledger() == OPENING + Decimal("4.25")
        assert (await table.bet(bot))[1] == "bets_known"
        (trade_id,) = desk.image.bets
        await desk.settle_by_hand(trade_id, BetStatus.LOST, Decimal(0))
        assert table.ledger() == table.house.free == OPENING - 5
        await asyncio.sleep(60)
        assert table.ledger() == OPENING - 5

    play(story)


@pytest.mark.parametrize(("fault", "count"), [("dropped", 1), ("late", 1), ("lost", 0)])
def test_purchase_when_the_answer_is_lost_is_sent_once_and_found_or_proved_absent(
    fault: Buy, count: int
) -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.buys = lambda: fault
        desk = await table.sit()
        await table.bet(table.bot())
        await asyncio.sleep(40)
        assert table.link is not None
        assert len(table.link.sent) == 1
        assert len(table.house.contracts) == len(table.shelf.bets) == count
        assert desk.unknown_open == 0
        assert desk.counts.absent == 1 - count
        assert table.ledger() == table.house.free == OPENING - 5 * count
        assert table.books.balance_of(table.key, "USD").locked == 0
        assert table.codes() == []

    play(story)


def test_purchase_when_two_bets_may_be_it_stays_unknown_and_blocks_its_bot_alone() -> None:
    async def story() -> None:
        table = Table.laid()
        answers: list[Buy] = ["dropped", "ok", "ok"]
        table.house.buys = iter(answers).__next__
        bot, other = table.bot(), table.bot()
        desk = await table.sit()
        commit = table.commit(bot)
        intent = commit.intent
        twin = PayoutRequest("", ASSET, Direction.CALL, intent.stake, intent.expires_at)
        table.house.take(twin, is_ours=False)
        await desk.place([commit])
        await asyncio.sleep(200)
        assert desk.unknown_open == 1
        assert table.codes() == ["bet_ambiguous"]
        assert (await table.bet(bot))[1] == "bets_known"
        assert await table.bet(other) == ("committed", None)
        await asyncio.sleep(5)
        assert "open" in table.statuses()

    play(story)


def test_purchase_when_money_is_missing_and_no_bet_is_shown_is_not_called_absent() -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.buys = lambda: "lost"
        desk = await table.sit()
        await table.bet(table.bot())
        table.house.free -= 5
        await asyncio.sleep(100)
        assert desk.unknown_open == 1
        assert table.codes() == ["bet_ambiguous"]
        # The money is explained: it was another's, and is back.
        table.house.free += 5
        await asyncio.sleep(40)
        assert desk.unknown_open == 0
        assert desk.counts.absent == 1

    play(story)


def test_purchase_when_nothing_can_be_asked_is_never_called_absent() -> None:
    async def story() -> None:
        table = Table.laid()
        table.house.buys = lambda: "dropped"
        desk = await table.sit()
        table.house.deaf = lambda: True
        await table.bet(table.bot())
        await asyncio.sleep(600)
        assert desk.unknown_open == 1
        assert table.codes() == ["bet_ambiguous"]
        table.house.deaf = lambda: False
        await asyncio.sleep(60)
        assert table.statuses() == ["won"]
        assert table.ledger() == table.house.free

    play(story)


@pytest.mark.parametrize("delay_s", [1.0, 19.0, 21.0, 120.0])
def test_bet_when_older_than_its_slot_is_dropped_with_the_reason(delay_s: float) -> None:
    async def story() -> None:
        table = Table.laid()
        desk = await table.sit()
        commit = table.commit(table.bot())
        await asyncio.sleep(delay_s)
        await desk.place([commit])
        await asyncio.sleep(1)
        (intent,) = table.shelf.intents.values()
        if delay_s < 20:
            assert table.statuses() == ["open"]
        else:
            assert table.house.contracts == {}
            assert intent.reason is not None
            assert intent.reason.startswith("slot_over")
            assert desk.image.free == OPENING
            assert desk.counts.lapsed == 1

    play(story)


def test_bets_when_on_one_asset_and_expiry_are_refused_but_for_one() -> None:
    async def story() -> None:
        table = Table.laid()
        await table.sit()
        first, second = table.bot(), table.bot()
        assert await table.bet(first) == ("committed", None)
        assert await table.bet(second) == ("refused", "slot_free")
        assert await table.bet(first) == ("duplicate", None)
        assert await table.bet(second, expires_at=table.clock.now() + 2 * BAR, leg="bet-2") == (
            "committed",
            None,
        )

    play(story)


def test_stake_when_its_step_or_size_is_not_that_of_history_is_refused_in_the_transaction() -> None:
    async def story() -> None:
        table = Table.laid(RiskLimits(martingale=ladder()))
        table.house.win = lambda: LOST
        bot = table.bot()
        await table.sit()
        assert await table.bet(bot, ladder_step=1, stake=Decimal(10)) == ("refused", "ladder_step")
        await sleep_to_bar()
        assert await table.bet(bot, stake=Decimal(6)) == ("refused", "ladder_stake")
        await sleep_to_bar()
        assert await table.bet(bot) == ("committed", None)
        expiry = table.clock.now() + 3 * BAR
        assert await table.bet(bot, leg="bet-2", expires_at=expiry) == (
            "refused",
            "ladder_settled",
        )

    play(story)


@pytest.mark.parametrize(
    ("limits", "gate"),
    [
        ({"daily_loss": Decimal(9)}, "daily_loss"),
        ({"total_exposure": Decimal(9)}, "total_exposure"),
        ({"open_positions": 1}, "open_positions"),
        ({"trades_per_day": 1}, "trades_per_day"),
        ({"capital_per_trade": Decimal(4)}, "capital_per_trade"),
    ],
)
def test_caps_when_a_second_bet_would_exceed_them_refuse_it(
    limits: dict[str, object], gate: str
) -> None:
    async def story() -> None:
        table = Table.laid(RiskLimits.model_validate(limits))
        await table.sit()
        bot = table.bot()
        first = await table.bet(bot)
        if gate == "capital_per_trade":
            assert first == ("refused", gate)
            return
        assert first == ("committed", None)
        second = await table.bet(bot, leg="bet-2", expires_at=table.clock.now() + 2 * BAR)
        assert second == ("refused", gate)

    play(story)


def test_desk_when_it_starts_settles_what_expired_while_nobody_was_there() -> None:
    async def story() -> None:
        table = Table.laid()
        await table.sit()
        await table.bet(table.bot())
        await asyncio.sleep(2)
        await table.kill()
        await asyncio.sleep(300)
        await table.sit()
        await asyncio.sleep(5)
        assert table.statuses() == ["won"]
        assert table.ledger() == table.house.free

    play(story)


@pytest.mark.parametrize("moment_s", [0.0, 0.04, 0.07, 1.5])
def test_desk_when_killed_about_the_send_finds_the_bet_before_it_takes_new_ones(
    moment_s: float,
) -> None:
    async def story() -> None:
        table = Table.laid()
        await table.sit()
        await table.bet(table.bot())
        await asyncio.sleep(moment_s)
        await table.kill()
        await asyncio.sleep(1)
        desk = await table.sit(wait=False)
        if len(table.house.contracts) > len(table.shelf.bets):
            with pytest.raises(DeskNotReady):
                await table.bet(table.bot())
        await desk.wait_ready()
        assert len(table.house.contracts) == len(table.shelf.bets) <= 1
        await asyncio.sleep(100)
        assert len(table.house.contracts) == 1
        assert table.ledger() == table.house.free

    play(story)


def test_money_of_others_when_seen_is_booked_as_external() -> None:
    async def story() -> None:
        table = Table.laid()
        desk = await table.sit()
        table.house.free += 70
        await asyncio.sleep(60)
        assert table.ledger() == OPENING + 70
        assert desk.image.free == OPENING + 70
        assert {entry.kind for entry in table.books.ledger.values()} == {"opening", "external"}

    play(story)
