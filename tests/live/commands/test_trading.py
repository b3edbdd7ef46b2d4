"""The command line of bots, accounts, orders and kill switches, against a sandboxed venue."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from candela.clock import FixedClock
from candela.desk.users import all_users
from sandbox.venue import SandboxVenue
from tests.fixtures.desk import NOW, Desk, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran

    Run = Callable[..., Ran]

BTC = ("-i", "binance:BTC/USDT", "-t", "1m")
CROSS = ("-s", "ma_cross", *BTC)
CANARY = "canary-77-secret-of-nobody"


@pytest.fixture(scope="module")
def venue() -> Iterator[SandboxVenue]:
    with SandboxVenue(["BTC/USDT"]) as opened:
        yield opened


@pytest.fixture
def run(venue: SandboxVenue, command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands whose venue is the sandbox, with nothing on standard input."""
    gateway = venue.gateway
    monkeypatch.setenv("CANDELA_VENUE_GATEWAY", f"{gateway.address}:{gateway.port}")
    monkeypatch.setenv("CANDELA_VENUE_GATEWAY_CA", str(gateway.certificate_authority))

    def call(*words: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        return command_line(*words)

    return call


def error(ran: Ran) -> dict[str, Any]:
    assert ran.code in {1, 2}, ran.out
    return ran.data["error"]


def test_bot_when_made_started_stopped_and_deleted_then_each_step_is_told(
    run: Run, database: Database
) -> None:
    made = run("bot", "create", "demo", *CROSS, "--capital", "100", "-p", "fast=5", "--json")
    assert made.code == 0, made.out
    assert made.data["config"]["parameters"]["fast"] == 5
    assert made.data["config"]["costs"]["taker_fee_bps"] == 10.0
    assert run("user", "list", "--json").data["users"][0]["email"] == "trader@localhost"
    accounts = run("account", "list", "--json").data["accounts"]
    assert [(one["name"], one["mode"]) for one in accounts] == [("paper", "paper")]
    started = run("bot", "start", "demo")
    assert (started.code, started.err) == (0, "")
    assert "no executor is alive" in started.out
    assert run("bot", "start", "demo", "--wait", 1).code == 1
    status = run("bot", "status", "demo", "--json").data
    assert (status["wanted"], status["state"], status["pnl_today"]) == ("running", "stopped", "0")
    assert error(run("bot", "delete", "demo", "--json"))["code"] == "bot_runs"
    assert error(run("bot", "change", "demo", "--capital", "90", "--json"))["code"] == "bot_runs"
    assert run("bot", "stop", "demo", "--flatten", "--wait", 5).code == 0
    changed = run("bot", "change", "demo", "--capital", "90", "-p", "slow=40", "--json")
    assert (changed.data["version"], changed.data["config"]["capital"]) == (2, "90")
    assert changed.data["config"]["parameters"] == made.data["config"]["parameters"] | {"slow": 40}
    listed = run("bot", "list")
    assert "ma_cross binance:BTC/USDT 1m" in listed.out
    for look in ("positions", "trades", "orders", "decisions", "logs", "show"):
        assert run("bot", look, "demo").code == 0, look
    assert run("bot", "delete", "demo").code == 0
    assert count(database, "trading.bots") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-s", "ma_cros", *BTC, "--capital", "100"), "unknown_strategy"),
        ((*BTC, "--capital", "100"), "bad_option"),
        ((*CROSS, "--capital", "100", "-p", "fast=0"), "bad_parameters"),
        ((*CROSS, "--capital", "100", "-p", "fats=9"), "bad_parameters"),
        ((*CROSS, "--capital", "100", "--set", "parameters.fast=0"), "bad_parameters"),
        (("-s", "ma_cross", "-i", "binance:BTD/USDT", "-t", "1m", "--capital", "100"),
         "unknown_symbol"),
        (("-s", "ma_cross", "-i", "binanc:BTC/USDT", "-t", "1m", "--capital", "100"),
         "unknown_venue"),
        (("-s", "ma_cross", "-i", "binance:BTC/USDT", "-t", "7m", "--capital", "100"),
         "timeframe_not_offered"),
        ((*CROSS, "--capital", "4"), "amount_below_minimum"),
        ((*CROSS, "--capital", "much"), "bad_bot_config"),
        ((*CROSS,), "bad_bot_config"),
        ((*CROSS, "--capital", "100", "--set", "limits.daily_los=5"), "bad_bot_config"),
        ((*CROSS, "--capital", "100", "--set", "limits"), "bad_option"),
        ((*CROSS, "--capital", "100", "--set", "strategy.name=x"), "bad_option"),
        ((*CROSS, "--capital", "100", "--sizing", "half"), "bad_option"),
        ((*CROSS, "--capital", "100", "--account", "nowhere"), "unknown_account"),
        ((*CROSS, "--capital", "100", "--set", "limits.martingale.first_stake=10"),
         "ruin_not_read"),
        ((*CROSS, "--capital", "100", "--config", "nowhere.json"), "bad_option"),
        ((*CROSS, "--capital", "100", "--user", "who@example.com"), "unknown_user"),
        (("-s", "rsi_payout", *BTC, "--capital", "100"), "bad_bot"),
    ],
)  # fmt: skip
def test_create_when_wrong_then_one_error_and_no_bot(
    run: Run, database: Database, words: tuple[str, ...], code: str
) -> None:
    fault = error(run("bot", "create", "x", *words, "--json"))
    assert fault["code"] == code, fault
    assert fault["hint"]
    assert count(database, "trading.bots") == count(database, "live.definitions") == 0


def test_create_when_ladder_is_acknowledged_then_made(run: Run) -> None:
    ladder = ("--set", "limits.martingale.first_stake=10", "--set", "limits.martingale.steps=2")
    cap = ("--set", "limits.martingale.ruin_cap_ratio=0.9")
    words = ("bot", "create", "x", *CROSS, "--capital", "100", *ladder, *cap)
    ruin = ("--ruin", "win_rate=0.55,rounds=100,payout=0.9")
    read = run(*words, *ruin)
    assert read.code == 1
    assert "ruin" in read.err
    assert "was not acknowledged" in read.err
    made = run(*words, *ruin, "--acknowledge-ruin", "--json")
    assert made.code == 0, made.out
    assert made.data["config"]["limits"]["martingale"]["acknowledgement"]["rounds"] == 100


def test_start_when_the_plan_has_one_bot_then_the_second_is_refused(run: Run) -> None:
    for name in ("one", "two"):
        assert run("bot", "create", name, *CROSS, "--capital", "50").code == 0
    assert run("bot", "start", "one").code == 0
    assert error(run("bot", "start", "two", "--json"))["code"] == "plan_limit_reached"
    assert run("user", "plan", "trader@localhost", "pro").code == 0
    assert run("bot", "start", "two").code == 0


def test_kill_when_on_then_listed_and_no_bot_starts_until_released(run: Run) -> None:
    assert run("bot", "create", "one", *CROSS, "--capital", "50").code == 0
    assert run("kill", "--reason", "smoke", "--flatten").code == 0
    assert run("bot", "kill", "one").code == 0
    assert run("kill", "--platform").code == 0
    halts = run("kill", "--list", "--json").data["halts"]
    assert [(one["scope"], one["flatten"]) for one in halts] == [
        ("tenant", True),
        ("bot", False),
        ("platform", False),
    ]
    assert error(run("bot", "start", "one", "--json"))["code"] == "killed"
    assert run("kill", "--release").code == 0
    assert run("bot", "kill", "one", "--release").code == 0
    assert "No kill switch is on." in run("kill", "--platform", "--release").out
    assert run("bot", "start", "one").code == 0


def test_account_when_its_key_is_fit_then_added_and_nobody_sees_the_secret(
    run: Run, venue: SandboxVenue, database: Database
) -> None:
    key, secret = venue.add_account({"USDT": "5000", "BTC": "0.5"})
    words = ("account", "add", "real", "--mode", "live", "--key", key, "--secret", "-", "--json")
    assert run("user", "create", "me@example.com", "--plan", "basic").code == 0
    ran = run(*words, stdin=secret + "\n")
    assert ran.code == 0, ran.out
    assert (ran.data["mode"], ran.data["last_four"]) == ("live", key[-4:])
    assert Decimal(ran.data["balances"]["USDT"][0]) == Decimal(5000)
    assert secret not in ran.out + ran.err
    order = ("order", "-a", "real", "--symbol", "BTC/USDT", "--side")
    taken = run(*order, "sell", "--quantity", "0.1", "--json")
    assert (taken.code, taken.data["state"]) == (0, "waiting")
    assert error(run(*order, "sell", "--quantity", "0.6", "--json"))["code"] == "not_enough"
    assert error(run(*order, "buy", "--quantity", "0.0000001", "--json"))["code"] == "bad_order"
    assert error(run(*order, "buy", "--quantity", "a lot", "--json"))["code"] == "bad_option"
    assert count(database, "trading.order_requests") == 1


@pytest.mark.parametrize(
    ("rights", "code"),
    [
        ({"can_withdraw": True}, "key_can_withdraw"),
        ({"can_trade": False}, "key_cannot_trade"),
    ],
)
def test_account_when_its_key_is_unfit_then_refused_and_nothing_kept(
    run: Run, venue: SandboxVenue, database: Database, rights: dict[str, bool], code: str
) -> None:
    key, secret = venue.add_account({"USDT": "5000"}, **rights)  # pyright: ignore[reportArgumentType]
    assert run("user", "create", "me@example.com", "--plan", "basic").code == 0
    words = ("account", "add", "real", "--mode", "live", "--key", key, "--secret", "-", "--json")
    ran = run(*words, stdin=secret + "\n")
    assert error(ran)["code"] == code
    assert secret not in ran.out + ran.err
    assert count(database, "trading.accounts") == count(database, "tenancy.secrets") == 0


def test_account_when_the_secret_is_wrong_or_seen_or_absent_then_refused(
    run: Run, venue: SandboxVenue, database: Database
) -> None:
    key, _ = venue.add_account({"USDT": "5000"})
    assert run("user", "create", "me@example.com", "--plan", "basic").code == 0
    words = ("account", "add", "real", "--mode", "live", "--key", key)
    wrong = run(*words, "--secret", "-", "--json", stdin=CANARY + "\n")
    assert error(wrong)["code"] == "credentials_dead"
    seen = run(*words, "--secret", CANARY, "--json")
    assert (seen.code, error(seen)["code"]) == (2, "bad_option")
    assert error(run(*words, "--json"))["code"] == "bad_option"
    assert CANARY not in wrong.out + wrong.err + seen.out + seen.err
    assert count(database, "trading.accounts") == 0


def test_logs_when_followed_then_new_lines_appear_until_asked_to_stop(
    run: Run, database: Database
) -> None:
    assert run("bot", "create", "one", *CROSS, "--capital", "50").code == 0
    desk = Desk(database, all_users(database)[0], FixedClock(NOW))

    def later() -> None:
        with desk.session() as session:
            session.run(
                "INSERT INTO trading.bot_logs (tenant_id, bot_id, log_id, logged_at, level, event,"
                " message) SELECT tenant_id, bot_id, gen_random_uuid(), now(), 'warning', 'order',"
                " 'it filled' FROM trading.bots WHERE tenant_id = %(tenant)s",
                {},
            )
        threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    threading.Timer(0.5, later).start()
    followed = run("bot", "logs", "one", "--follow")
    assert followed.code == 0
    assert followed.out.count("WARNING order: it filled") == 1


def test_user_when_there_are_several_then_one_must_be_named(run: Run) -> None:
    for name in ("a", "b"):
        assert run("user", "create", f"{name}@example.com").code == 0
    assert error(run("account", "list", "--json"))["code"] == "which_user"
    assert run("account", "add", "mine", "--user", "b@example.com").code == 0
    mine = run("account", "list", "--user", "B@example.com", "--json").data["accounts"]
    assert [one["name"] for one in mine] == ["mine"]
    assert run("account", "list", "--user", "a@example.com", "--json").data["accounts"] == []
