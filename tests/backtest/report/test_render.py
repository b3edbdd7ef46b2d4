"""The page holds all of a run, loads nothing, and lets no name out of its place."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from backtest.report import render_report
from backtest.report.render import SHOWN_TRADES
from strategies.signals import Signals
from tests.architecture.tree import ROOT
from tests.backtest.report.example import (
    ExampleCheck,
    ExampleRun,
    ExampleSection,
    ExampleVerdict,
    hours,
    minutes,
    run,
)
from tests.backtest.report.page import Page, parsed_page

EVIL = "</script><script>alert('out')</script><img src=x onerror=alert(1)>\"'&"
STATIC = Path(str(files("backtest.report"))) / "static"
VERDICT = ExampleVerdict(
    "luck",
    "Luck explains it: in 2.0 years and 412 trials, it misses luck.",
    [ExampleCheck(passed=True, sentence="It closed 132 trades.")],
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'


@pytest.fixture(scope="module")
def two_years() -> ExampleRun:
    """Two years of hours, some four hundred trades."""
    return run(hours(), fast=6, slow=30)


@pytest.fixture(scope="module")
def html(two_years: ExampleRun) -> str:
    section = ExampleSection("Fixed payout", {"Break-even rate": 0.5405}, SVG)
    return render_report(replace(two_years, extra_sections=[section]), verdict=VERDICT)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return parsed_page(html)


def payload(page: Page) -> dict[str, dict[str, str]]:
    return json.loads(next(one.text for one in page.all("script") if "id" in one.attributes))


def csv_rows(page: Page) -> list[dict[str, str]]:
    link = next(one for one in page.all("a") if one.attributes.get("id") == "trades-csv")
    text = base64.b64decode(link.attributes["href"].partition("base64,")[2]).decode()
    return list(csv.DictReader(io.StringIO(text)))


def said(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_page_of_any_run_loads_nothing(page: Page) -> None:
    for element in page.elements:
        for name in ("src", "srcset", "data", "poster", "background", "action", "style"):
            assert element.attributes.get(name, "data:").startswith("data:"), element
        assert element.tag not in {"link", "iframe", "object", "embed", "base", "form"}
        href = element.attributes.get("href", "#")
        # One link may be followed, and only by hand: the one that the charts' licence asks for.
        assert href.startswith(("#", "data:")) or href == "https://www.tradingview.com/"
    styles = "".join(one.text for one in page.all("style"))
    assert "@import" not in styles
    assert "url(" not in styles
    ours = [STATIC / "charts.js", STATIC / "trades.js"]
    scripts = "".join(path.read_text(encoding="utf-8") for path in ours)
    assert re.findall(r"https?:|fetch\(|XMLHttpRequest|import\(|innerHTML|eval\(", scripts) == []


def test_policy_of_the_page_allows_its_own_scripts_alone(page: Page) -> None:
    policy = next(
        one.attributes["content"]
        for one in page.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    inline = [one for one in page.all("script") if "type" not in one.attributes]
    assert len(inline) == 3
    for element in [*inline, *page.all("style")]:
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy, element.text[:80]


def test_page_of_two_years_of_hours_stays_small(html: str) -> None:
    assert len(html.encode()) < 3_000_000


def test_sections_of_a_page_come_in_the_stated_order(page: Page) -> None:
    assert page.ids("section") == [
        "verdict", "figures", "assumed", "candles", "equity", "underwater", "exposure", "months",
        "distribution", "costs", "falls", "extra-1", "trades", "manifest",
    ]  # fmt: skip
    ids = {one.attributes["id"] for one in page.elements if "id" in one.attributes}
    links = [one.attributes.get("href", "") for one in page.all("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_page_for_every_reader_names_its_parts(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table")) >= 5
    assert all(one.attributes.get("scope") for one in page.all("th"))
    assert all(one.attributes.get("alt") for one in page.all("img"))
    assert all(one.attributes.get("aria-label") for one in page.all("svg"))
    charts = [one for one in page.all("div") if one.attributes.get("role") == "img"]
    assert len(charts) == 4
    assert all(one.attributes.get("aria-label") for one in charts)
    regions = [one for one in page.all("div") if one.attributes.get("role") == "region"]
    assert all(one.attributes.get("tabindex") == "0" for one in regions)


def test_page_with_evil_names_keeps_them_as_text(two_years: ExampleRun) -> None:
    manifest = {
        **two_years.manifest,
        "strategy": {"name": EVIL, "source_digest": EVIL},
        "parameters": {EVIL: EVIL},
        "instruments": [EVIL],
        "as_of": EVIL,
        "id": EVIL,
    }
    evil = replace(
        two_years,
        manifest=manifest,
        trades_digest=EVIL,
        metrics={**two_years.metrics, EVIL: 1.0},
        panes={EVIL: two_years.equity, f"{EVIL}/{EVIL}": two_years.equity},
        extra_sections=[ExampleSection(EVIL, {EVIL: EVIL}, f"<svg>{EVIL}</svg>")],
    )
    verdict = ExampleVerdict(EVIL, EVIL, [ExampleCheck(passed=False, sentence=EVIL)])
    for title in (None, EVIL):
        page = parsed_page(render_report(evil, verdict=verdict, title=title))
        assert len(page.all("script")) == 4
        assert not any("alert(" in one.text for one in page.all("script")[1:])
        assert len(page.all("img")) == 1
        assert not any(name.startswith("on") for one in page.elements for name in one.attributes)
        panes = json.loads(page.all("script")[0].text)["panes"]
        pane, _, line = EVIL.partition("/")
        assert (panes[0]["pane"], panes[0]["name"]) == (pane, line)


def test_trades_of_a_page_are_all_in_its_csv(two_years: ExampleRun, page: Page) -> None:
    rows = csv_rows(page)
    assert len(rows) == len(two_years.trades) > SHOWN_TRADES
    assert [float(row["pnl"]) for row in rows] == two_years.trades["pnl"].tolist()
    assert [float(row["entry_price"]) for row in rows] == two_years.trades["entry_price"].tolist()
    assert len([one for one in page.all("td") if one.text == "long"]) == SHOWN_TRADES


def test_run_of_many_bars_is_shown_in_coarser_candles_and_says_so() -> None:
    many = run(minutes(45_000))
    html = render_report(many)
    page = parsed_page(html)
    assert "45,000 bars of 1m; the charts show them in candles of 3m" in said(html)
    times = np.frombuffer(base64.b64decode(payload(page)["time"]["data"]), dtype="<i4")
    assert len(times) == 15_000
    assert len(csv_rows(page)) == len(many.trades) > 100


def test_run_of_few_bars_is_shown_as_it_is(html: str) -> None:
    assert "the charts show them in candles of" not in html


def test_run_without_trades_says_which_condition_never_held() -> None:
    silent = run(hours(600), fast=100, slow=599)
    html = render_report(silent)
    assert len(silent.trades) == 0
    assert "No trade was made in 600 bars." in said(html)
    assert "The condition to enter long (long_entries) never held." in said(html)
    assert "There are none." in said(html)
    assert "distribution" not in parsed_page(html).ids("section")


def test_run_without_trades_counts_conditions_that_held() -> None:
    silent = run(hours(600), fast=100, slow=599)
    held = np.arange(600) % 50 == 0
    rejected = replace(
        silent,
        signals=Signals(long_entries=held, short_entries=np.zeros(600, dtype=np.bool_)),
        metrics={**silent.metrics, "rejected_orders": 12},
    )
    words = said(render_report(rejected))
    assert "The condition to enter long (long_entries) held at 12 bars." in words
    assert "The condition to enter short (short_entries) never held." in words
    assert "12 orders were rejected" in words
    last = replace(silent, signals=Signals(long_entries=np.arange(600) == 599))
    assert "It held at the last bar only" in said(render_report(last))


def test_headline_of_a_run_says_what_became_of_the_money(two_years: ExampleRun, html: str) -> None:
    words = said(html)
    final = two_years.metrics["final_equity"]
    assert f"10,000.00 EUR became {final:,.2f} EUR in 2.0 years of candles" in words
    held = two_years.metrics["benchmark_return"]
    assert f"Buying and holding over the same time made {held * 100:+.2f} %." in words


def test_page_states_every_assumption_in_words(html: str) -> None:
    words = said(html)
    for sentence in (
        "Decided when a candle closes, filled at the open of the next one.",
        "the stop is taken to be hit first",
        "Fee 10 bps (0.1 %) of the value of each fill.",
        "Market orders and stops fill worse by 5 bps (0.05 %) slippage.",
        "No funding is paid.",
        "100 % of the equity.",
        "No leverage.",
        "15 of 17,520 candles are missing (0.086 %)",
        "sha256:" + "d1" * 32,
        "2026-11-22T12:00:00Z",
    ):
        assert sentence in words, sentence


def test_verdict_when_given_comes_first_with_its_grounds(html: str) -> None:
    words = said(html)
    assert words.index(VERDICT.words) < words.index("became")
    assert "Passed. It closed 132 trades." in words


def test_undefined_figures_are_words_on_the_page_and_null_in_the_manifest(
    two_years: ExampleRun,
) -> None:
    odd = replace(
        two_years,
        metrics={**two_years.metrics, "sharpe": float("nan")},
        manifest={**two_years.manifest, "odd": [float("nan"), {"deep": float("inf")}]},
    )
    html = render_report(odd)
    page = parsed_page(html)
    manifest = json.loads(page.all("pre")[0].text)
    assert manifest["odd"] == [None, {"deep": None}]
    assert manifest["parameters"] == two_years.manifest["parameters"]
    assert "Sharpe undefined" in said(html)
    assert "NaN" not in page.all("pre")[0].text


def test_extra_section_is_facts_and_an_image(page: Page) -> None:
    image = page.all("img")[0].attributes
    assert base64.b64decode(image["src"].partition("base64,")[2]).decode() == SVG
    assert image["alt"] == "Fixed payout, drawn"
    assert any(one.text == "0.5405" for one in page.all("dd"))


def test_run_of_one_bar_or_none_makes_a_page() -> None:
    whole = run(hours(400))
    for rows in (1, 0):
        bars = hours(rows)
        small = replace(
            whole,
            bars=bars,
            trades=whole.trades[:0],
            fills=whole.fills[:0],
            equity=whole.equity[:rows],
            benchmark=whole.benchmark[:rows],
            position=whole.position[:rows],
            panes={},
            signals=None,
        )
        assert f"No trade was made in {rows} bars." in said(render_report(small))


def test_vendored_charts_ship_with_licence_notice_and_link(page: Page) -> None:
    vendored = STATIC / "lightweight-charts.standalone.production.js"
    assert "TradingView Lightweight Charts™ v5.2.1" in vendored.read_text(encoding="utf-8")
    assert "Apache License" in (STATIC / "LICENSE").read_text(encoding="utf-8")
    assert "https://www.tradingview.com/" in (STATIC / "NOTICE").read_text(encoding="utf-8")
    assert [one for one in page.all("a") if "tradingview.com" in one.attributes.get("href", "")]


def test_files_of_the_page_are_always_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["backtest.report"]
    room = STATIC.parent
    found = [*STATIC.iterdir(), *(room / "templates").iterdir()]
    names = [path.relative_to(room).as_posix() for path in found]
    assert [one for one in names if not any(fnmatch(one, pattern) for pattern in patterns)] == []


def test_report_when_imported_loads_no_heavy_library() -> None:
    script = "import sys, backtest.report; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    )
    heavy = {"matplotlib", "pandas", "polars", "scipy", "vectorbt", "optuna", "dagster", "jinja2"}
    assert set(done.stdout.split()) & heavy == set()
