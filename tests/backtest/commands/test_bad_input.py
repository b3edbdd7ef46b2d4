"""What cannot be run ends in one clear error, an exit code and nothing stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backtest.ledger import Ledger
from candela.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran

BTC = ("-i", "bitvavo:BTC/EUR", "-t", "1h")
SHORT = ("--until", "2022-03-01")
GOOD = "return Signals(long_entries=crossed_above(bars.close, mean))"


def refusal(ran: Ran) -> dict[str, str]:
    """Return what a command said that refused; that it ran where it did."""
    if not ran.code:
        return {"message": "it ran", "hint": ""}
    error: dict[str, str | None] = ran.data["error"]
    return {name: error[name] or "" for name in ("message", "hint")}


def nothing_is_kept(database: Database) -> bool:
    ledger = Ledger(database, SystemClock())
    return not ledger.runs() and not ledger.sweeps() and not any(n for _, n in ledger.families())


BACKTESTS: list[tuple[tuple[str, ...], str, str]] = [
    (("ma_crss", *BTC), "no strategy 'ma_crss'", "ma_cross"),
    (("nowhere.py", *BTC), "nowhere.py", "Python file"),
    (("ma_cross", *BTC, "-p", "fats=3"), "no parameter fats", "ma_cross takes"),
    (("ma_cross", *BTC, "-p", "fast=1"), "fast=1 cannot be", "2 to 5000"),
    (("ma_cross", *BTC, "-p", "fast=many"), "fast=many cannot be", "2 to 5000"),
    (("ma_cross", *BTC, "-p", "fast"), "'fast' is no parameter with a value", "fast=20"),
    (("ma_cross", *BTC, "-p", "fast=3", "-p", "fast=4"), "fast is given twice", "once"),
    (("ma_cross", *BTC, "-p", "fast=90", "-p", "slow=50"), "fast=90 is not below slow=50", "2"),
    (("ma_cross", *BTC, "--since", "2030-01-01"), "no 1h candles", "Stored are 2022-01-01"),
    (
        ("ma_cross", *BTC, "--since", "2023-01-01", "--until", "2022-01-01"),
        "nothing from",
        "be",
    ),
    (("ma_cross", *BTC, "--since", "yesterday"), "'yesterday' is not a date", "2024-01-31"),
    (("ma_cross", *BTC, "--as-of", "1999-01-01"), "no 1h candles", "as-of"),
    (("ma_cross", "-i", "bitvavo:BTC/EUR", "-t", "1m"), "1m", "1h"),
    (("ma_cross", "-i", "bitvavo:BTC/EUR", "-t", "1y"), "1y", ""),
    (("ma_cross", "-i", "bitvavo:QQQ/EUR", "-t", "1h"), "QQQ/EUR", ""),
    (("ma_cross", "-i", "BTC", "-t", "1h"), "BTC", ""),
    (("ma_cross", "-t", "1h"), "No instrument", "-i bitvavo:BTC/EUR"),
    (("ma_cross", "-i", "bitvavo:BTC/EUR"), "No timeframe", "-t 1h"),
    (("ma_cross", *BTC, "--gap-limit", "0.0001"), "15 of 17,520 candles", "gap_limit"),
    (("ma_cross", *BTC, "--cash", "0"), "cash=0", ""),
    (("ma_cross", *BTC, "--cash", "nan"), "cash=nan", ""),
    (("ma_cross", *BTC, "--fee-bps", "-1"), "taker_fee_bps=-1", ""),
    (("ma_cross", *BTC, "--stop-loss", "1.5"), "stop_loss=1.5", ""),
    (("ma_cross", *BTC, "--leverage", "1000"), "leverage=1000", ""),
    (("ma_cross", *BTC, "--sizing", "half"), "--sizing half", "fraction"),
    (("ma_cross", *BTC, "--sizing", "risk:-1"), "--sizing risk:-1", "kind:value"),
    (("ma_cross", *BTC, "--funding"), "No funding rates", "funding import"),
    (("ma_cross", *BTC, "--intrabar", "minutes"), "1m", ""),
    (("ma_cross", *BTC, "--payout", "0.8"), "no calls or puts", "--payout"),
    (("ma_cross", *BTC, "--report", "/dev/null/report.html"), "cannot be written", "folder"),
    (("abcd1234",), "looks like the id of a run", "--again"),
    (("abcd1234", "--again"), "No run has an id", "List the runs"),
]


def test_backtest_when_it_cannot_be_then_names_value_and_remedy_and_keeps_nothing(
    candela: Callable[..., Ran], hours: Database
) -> None:
    wrong: list[object] = []
    for words, said, hint in BACKTESTS:
        ran = candela("backtest", *words, "--json")
        error = refusal(ran)
        is_told = said in error["message"] and hint in error["hint"]
        if not is_told or "Traceback" in ran.err:
            wrong.append((words, ran.code, error))
    assert wrong == []
    assert nothing_is_kept(hours)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["return Signals(long_entries=bars.close[50] / 0)"], "raised"),
        (["raise KeyError('volume')"], "raised KeyError in line 22 of own.py"),
        (["return bars.close > mean"], "returned ndarray, not Signals"),
        (["return Signals(long_entries=(bars.close > mean)[1:])"], "long_entries has"),
        (["return Signals(long_entries=mean)"], "holds float64, not true or false"),
        (["return Signals(long_entries=bars.close > mean, stop_loss=-mean)"], "stop_loss is -"),
        (
            ["return Signals(long_entries=bars.close > mean, size=bars.close * np.inf)"],
            "size is inf",
        ),
        (
            ["return Signals(long_entries=np.append(bars.close[1:] > mean[:-1], False))"],
            "look_ahead",
        ),
        (["return Signals(long_entries=bars.close > bars.close.mean())"], "own:"),
    ],
)
def test_backtest_when_the_strategy_goes_wrong_then_says_where_and_keeps_nothing(
    candela: Callable[..., Ran],
    hours: Database,
    strategy_file: Callable[..., Path],
    lines: list[str],
    said: str,
) -> None:
    path = strategy_file(*lines)
    for words in (("backtest", path, *BTC), ("sweep", path, *BTC, "-a", "window=10,20")):
        ran = candela(*words, *SHORT, "--json")
        assert ran.code != 0
        assert said in ran.data["error"]["message"]
        assert ran.data["error"]["hint"]
        assert nothing_is_kept(hours)


def test_backtest_when_a_strategy_of_ones_own_is_sound_then_it_is_checked_once_and_kept(
    candela: Callable[..., Ran], hours: Database, strategy_file: Callable[..., Path]
) -> None:
    path = strategy_file(GOOD)
    ran = candela("backtest", path, *BTC, *SHORT, "--json")
    assert ran.code == 0, ran.err + ran.out
    (kept,) = Ledger(hours, SystemClock()).sources("own")
    assert kept.checked_at is not None
    assert kept.check_result is not None
    assert kept.check_result["ok"] is True
    assert candela("backtest", path, *BTC, *SHORT, "--cash", "500", "--json").code == 0
    (again,) = Ledger(hours, SystemClock()).sources("own")
    assert again.checked_at == kept.checked_at


SWEEPS: list[tuple[tuple[str, ...], str]] = [
    ((), "No axis is named"),
    (("-a", "fats=1:2"), "no parameter 'fats'"),
    (("-a", "fast=1:20:5"), "fast=1 cannot be"),
    (("-a", "fast=20:5:5"), "runs backwards"),
    (("-a", "fast=90:99:1", "-p", "slow=50"), "none is valid"),
    (("-a", "fast=5,10", "-p", "fast=5"), "both fixed and an axis"),
    (("-a", "fast=5,10", "--objective", "beauty"), "objective 'beauty'"),
    (("-a", "fast=5,10", "--method", "random"), "number of trials"),
    (("-a", "fast=5,10", "--since", "2030-01-01"), "no 1h candles"),
    (("-a", "fast=5,10", "-i", "bitvavo:ETH/EUR"), "one instrument"),
]


def test_sweep_when_it_cannot_be_then_says_why_and_keeps_nothing(
    candela: Callable[..., Ran], hours: Database
) -> None:
    wrong: list[object] = []
    for words, said in SWEEPS:
        ran = candela("sweep", "ma_cross", *BTC, *words, "--json")
        error = refusal(ran)
        if said not in error["message"] or not error["hint"]:
            wrong.append((words, ran.code, error))
    assert wrong == []
    assert nothing_is_kept(hours)


OTHERS: list[tuple[tuple[str, ...], str]] = [
    (("walkforward", "ma_cross", *BTC, "-a", "fast=5,10", "--train", "soon"), "train=soon"),
    (("walkforward", "ma_cross", *BTC, "-a", "fast=5,10", "--train", "900w"), "do not hold"),
    (("verdict",), "Name one run"),
    (("verdict", "abcd", "--sweep", "abcd"), "Name one run"),
    (("verdict", "abcd1234"), "No run has an id"),
    (("verdict", "--sweep", "abcd1234"), "No sweep has an id"),
    (("runs", "show", "zz"), "'zz' is not the id of a run"),
    (("runs", "report", "abcd1234", "x.html"), "No run has an id"),
]


def test_other_commands_when_asked_for_what_cannot_be_then_say_why(
    candela: Callable[..., Ran], hours: Database
) -> None:
    wrong: list[object] = []
    for words, said in OTHERS:
        ran = candela(*words, "--json")
        if ran.code not in {1, 2} or said not in ran.data["error"]["message"]:
            wrong.append((words, ran.code, ran.out))
    assert wrong == []
    assert nothing_is_kept(hours)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("backtest", "rsi_payout", *BTC, "--fee-bps", "5", "--leverage", "2"), "--leverage"),
        (("backtest", "abcd1234", "--again", "-p", "fast=3"), "--parameter"),
    ],
)
def test_options_when_they_would_do_nothing_then_they_are_named(
    candela: Callable[..., Ran], words: tuple[str, ...], named: str
) -> None:
    ran = candela(*words)
    assert ran.code == 2
    assert named in ran.err


def test_sweep_when_the_grid_is_beyond_waiting_then_it_says_how_many_and_what_to_do(
    candela: Callable[..., Ran], hours: Database
) -> None:
    ran = candela("sweep", "ma_cross", *BTC, "-a", "fast=2:5000:1", "-a", "slow=3:10000:1")
    assert ran.code == 1
    assert "49,980,002 combinations" in ran.err
    assert "--method random" in ran.err
    assert Ledger(hours, SystemClock()).sweeps() == []


def test_backtest_when_the_candles_are_fewer_than_the_warm_up_then_it_says_so(
    candela: Callable[..., Ran],
) -> None:
    ran = candela("backtest", "ma_cross", *BTC, "--until", "2022-01-02", "-p", "slow=200")
    assert ran.code == 0
    assert "24 bars are fewer than the" in ran.out


def test_backtest_when_on_the_venues_terms_then_its_fees_and_an_option_goes_before(
    candela: Callable[..., Ran],
) -> None:
    words = ("backtest", "ma_cross", *BTC, *SHORT, "--no-record", "--json", "--venue-terms")
    costs = json.loads(candela(*words).out)["manifest"]["costs"]
    assert (costs["taker_fee_bps"], costs["maker_fee_bps"]) == (25, 20)
    costs = json.loads(candela(*words, "--fee-bps", "3").out)["manifest"]["costs"]
    assert (costs["taker_fee_bps"], costs["maker_fee_bps"]) == (3, 20)
