"""Reports of the shipped strategies, as the engine runs them, on shipped candles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backtest.evidence.verdict import Check, Outcome, Verdict
from backtest.payout import PayoutResult, run_payout
from backtest.report import render_report, save_plots, view_of_bets
from backtest.result import Result
from backtest.run import backtest
from candela.fills.model import FillModel
from candela.payout.rules import PayoutRules
from strategies.bars import Bars
from strategies.dca import dca
from strategies.ma_cross import ma_cross
from strategies.macd_trend import macd_trend
from strategies.rsi_payout import rsi_payout
from tests.backtest.report.page import parsed_page
from tests.fixtures.candles import sample

MODEL = FillModel.model_validate({"costs": {"taker_fee_bps": 10, "slippage_bps": 5}})
LADDER = PayoutRules.model_validate(
    {"payout": "0.85", "sizing": {"kind": "martingale", "value": "5", "steps": 4}}
)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]))


@pytest.fixture(scope="module")
def bars() -> Bars:
    return Bars.from_frame(sample("BTC-EUR_1h").head(4_000), "1h", "bitvavo:BTC/EUR")


@pytest.fixture(scope="module")
def crossed(bars: Bars) -> Result:
    return backtest(ma_cross, bars, {"fast": 12, "slow": 48}, model=MODEL)


@pytest.fixture(scope="module")
def climbed(bars: Bars) -> PayoutResult:
    return run_payout(rsi_payout, bars, rules=LADDER)


def test_report_of_a_shipped_strategy_says_what_the_run_found(crossed: Result) -> None:
    said = words(render_report(crossed))
    assert "ma_cross on bitvavo:BTC/EUR, 1h" in said
    assert f"became {crossed.metrics['final_equity']:,.2f} EUR" in said
    assert str(crossed.manifest["id"]) in said
    assert crossed.trades_digest in said
    assert "mean 12" in render_report(crossed)


def test_report_with_a_verdict_of_the_evidence_shows_its_checks(crossed: Result) -> None:
    checks = (Check("bars", 4_000.0, 250.0, passed=True, sentence="The record has 4,000 bars."),)
    verdict = Verdict(Outcome.TOO_SHORT, "Too short to tell: few.", checks, {"years": 0.5})
    said = words(render_report(crossed, verdict=verdict))
    assert "Luck or skill Too short to tell: few. Passed. The record has 4,000 bars." in said


def test_report_of_many_legs_and_of_panes_is_drawn(bars: Bars) -> None:
    legs = render_report(backtest(dca, bars, model=MODEL))
    assert re.search(r'"legs":\[\[\d+,1,', legs)
    panes = render_report(backtest(macd_trend, bars, model=MODEL))
    assert '"pane":"macd","name":"signal"' in panes


def test_report_of_a_silent_strategy_counts_its_events(bars: Bars) -> None:
    silent = backtest(ma_cross, bars[:40], {"fast": 10, "slow": 39}, model=MODEL)
    assert "The condition to enter long (long_entries) never held." in words(render_report(silent))


def test_report_of_calls_and_puts_states_payout_and_ruin(climbed: PayoutResult) -> None:
    html = render_report(climbed)
    said = words(html)
    for sentence in (
        "A win brings 85.0 % of the stake, a loss takes it; a tie gives it back.",
        "A ladder: 5.00 EUR first, 2 times the stake after each loss, 4 steps",
        "Must win to break even 54.1 %",
        "Ruin at the win rate seen A payout of 85.00 % breaks even at a win rate of 54.05 %",
        "A ladder of 4 steps stakes up to 40.00, needs 75.00 in all",
    ):
        assert sentence in said, sentence
    assert "of the value of each fill" not in said
    page = parsed_page(html)
    assert "costs" not in page.ids("section")
    assert {"call", "put"} <= {one.text for one in page.all("td")}


def test_trades_of_a_view_of_bets_are_its_contracts(climbed: PayoutResult) -> None:
    view = view_of_bets(climbed)
    assert view.trades["pnl"].tolist() == climbed.contracts["pnl"].tolist()
    assert view.trades["units"].tolist() == climbed.contracts["stake"].tolist()
    at_risk = view.position * view.bars.close
    assert at_risk == pytest.approx(climbed.equity - climbed.free_cash, abs=1e-9)


def test_report_of_stakes_without_a_ladder_says_so(bars: Bars) -> None:
    share = PayoutRules.model_validate({"sizing": {"kind": "fraction", "value": "0.02"}})
    said = words(render_report(run_payout(rsi_payout, bars, rules=share)))
    assert "Stakes are a share of the cash" in said
    assert "2.00 % of the cash." in said


def test_pictures_of_real_runs_are_all_saved(
    crossed: Result, climbed: PayoutResult, tmp_path: Path
) -> None:
    assert len(save_plots(crossed, tmp_path / "trades")) == 5
    assert len(save_plots(view_of_bets(climbed), tmp_path / "bets")) == 5
