"""The page in a real browser: it draws, complains of nothing, and answers to its buttons."""

from __future__ import annotations

import base64
import csv
import io
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.report import render_report
from tests.backtest.report.browser import CHROMIUM, Browser, browser
from tests.backtest.report.example import ExampleCheck, ExampleSection, ExampleVerdict, hours, run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

INKED = """
[...document.querySelectorAll('.chart')].map(chart => {
  const colours = new Set();
  for (const canvas of chart.querySelectorAll('canvas')) {
    if (!canvas.width || !canvas.height) continue;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3]) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    }
  }
  return colours.size;
})
"""
ROWS = """
[...document.querySelectorAll('#trades-table tbody tr')]
  .map(row => [...row.cells].map(cell => cell.textContent))
"""
TIP = """
new Promise(done => requestAnimationFrame(() => {
  const tip = document.querySelector('.tip');
  done(tip.hidden ? '' : tip.textContent);
}))
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


@pytest.fixture(scope="module")
def page() -> Generator[Browser]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        browser(Path(profile)) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything: a verdict, panes, an added section and over 200 trades."""
    example = run(hours(), fast=6, slow=30)
    bars = example.bars
    full = replace(
        example,
        panes={**example.panes, "swing/range": bars.high - bars.low},
        extra_sections=[ExampleSection("Fixed payout", {"Break-even rate": 0.54}, SVG)],
    )
    checks = [ExampleCheck(passed=False, sentence="It lost in the other half.")]
    verdict = ExampleVerdict("luck", "Luck explains it.", checks)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(full, verdict=verdict), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("width", "dark"), [(360, True), (768, False), (1280, True), (1600, False)]
)
def test_page_of_any_width_draws_and_complains_of_nothing(
    page: Browser, report: Path, width: int, *, dark: bool
) -> None:
    page.show(report, width=width, dark=dark)
    assert page.value("document.documentElement.dataset.charts") == "drawn"
    assert min(page.value(INKED)) > 3
    assert page.value("document.querySelectorAll('.chart').length") == 4
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    asked = [address for address in page.requests if not address.startswith("data:")]
    assert asked == [report.as_uri()]
    ground = page.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 27)" if dark else "rgb(255, 255, 255)")


def test_rows_drawn_by_the_script_equal_those_of_the_page_itself(
    page: Browser, report: Path
) -> None:
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    page.show_unscripted(report)
    plain = page.value(ROWS)
    assert page.value("getComputedStyle(document.getElementById('chart-price')).display") == "none"
    page.send("Emulation.setScriptExecutionDisabled", value=False)
    page.show(report)
    assert page.value(ROWS) == plain
    assert len(plain) == 200


def test_table_of_trades_sorts_and_turns_its_pages(page: Browser, report: Path) -> None:
    page.show(report)
    link = page.value("document.getElementById('trades-csv').href")
    text = base64.b64decode(link.partition("base64,")[2]).decode()
    results = [float(row["pnl"]) for row in csv.DictReader(io.StringIO(text))]
    page.value("document.querySelector('th[data-key=pnl] button').click()")
    shown = [float(row[1].replace(",", "")) for row in page.value(ROWS)]
    assert shown == pytest.approx(sorted(results)[:200], abs=0.006)
    assert page.value("document.querySelector('th[data-key=pnl]').ariaSort") == "ascending"
    page.value("document.querySelector('th[data-key=pnl] button').click()")
    best = float(page.value(ROWS)[0][1].replace(",", ""))
    assert best == pytest.approx(max(results), abs=0.006)
    page.value("document.getElementById('page-after').click()")
    page.value("document.getElementById('page-after').click()")
    assert len(page.value(ROWS)) == len(results) - 400
    words = page.value("document.getElementById('page-words').textContent")
    assert words == f"401 to {len(results)} of {len(results)}"
    assert page.value("document.getElementById('page-after').disabled") is True
    assert page.complaints == []


def test_pointer_on_a_trade_tells_reason_price_and_result(page: Browser, report: Path) -> None:
    page.show(report)
    page.value("document.getElementById('trade-before').click()")
    told = page.value("document.getElementById('readout').textContent")
    assert "Trade 411: bought" in told
    page.value("document.getElementById('trade-before').click()")
    told = page.value("document.getElementById('readout').textContent")
    assert "Trade 410: sold by signal at " in told
    assert " EUR (" in told
    page.value("document.getElementById('chart-price').scrollIntoView()")
    left, top, width = page.value(
        "(box => [box.left, box.top, box.width])"
        "(document.getElementById('chart-price').getBoundingClientRect())"
    )
    tips: set[str] = set()
    middle = int(left + width / 2)
    for across in range(middle - 250, middle + 250, 5):
        page.send("Input.dispatchMouseEvent", type="mouseMoved", x=across, y=int(top) + 120)
        tips.add(page.value(TIP))
    assert any("Trade 410: sold by signal at " in tip and " EUR (" in tip for tip in tips)
    assert page.complaints == []


def test_charts_when_linked_show_one_span(page: Browser, report: Path) -> None:
    page.show(report)
    shaded = "[...document.querySelectorAll('.window')].map(one => one.hidden)"
    settle = "new Promise(done => setTimeout(done, 100))"
    assert page.value(shaded) == [False, False, False]
    page.value("document.getElementById('linked').click()")
    page.value(settle)
    assert page.value(shaded) == [True, True, True]
    page.value("document.getElementById('linked').click()")
    page.value(settle)
    assert page.value(shaded) == [False, False, False]
    page.value("document.getElementById('show-all').click()")
    page.value(settle)
    assert page.value(shaded) == [True, True, True]
    assert page.complaints == []


def test_number_of_a_trade_leads_to_its_candles(page: Browser, report: Path) -> None:
    page.show(report)
    page.value("document.querySelector('#trades-table tbody button').click()")
    assert "Trade 1: bought" in page.value("document.getElementById('readout').textContent")


def test_page_with_evil_names_runs_none_of_them(page: Browser, tmp_path: Path) -> None:
    evil = "</script><script>document.title='out'</script><img src=x onerror=document.title='out'>"
    example = run(hours(400), fast=4, slow=12)
    manifest = {**example.manifest, "strategy": {"name": evil}, "parameters": {evil: evil}}
    bad = replace(
        example, manifest=manifest, panes={evil: example.bars.close, f"{evil}/a": example.equity}
    )
    path = tmp_path / "evil.html"
    path.write_text(render_report(bad), encoding="utf-8")
    page.show(path)
    assert page.value("document.title").startswith("</script><script>")
    assert page.value("document.documentElement.dataset.charts") == "drawn"
    assert page.complaints == []


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_page_of_hardly_any_bars_complains_of_nothing(
    page: Browser, tmp_path: Path, rows: int
) -> None:
    whole = run(hours(400))
    small = replace(
        whole,
        bars=hours(rows),
        trades=whole.trades[:0],
        fills=whole.fills[:0],
        equity=whole.equity[:rows],
        benchmark=whole.benchmark[:rows],
        position=whole.position[:rows],
        panes={"empty": np.full(rows, np.nan)},
    )
    path = tmp_path / "small.html"
    path.write_text(render_report(small), encoding="utf-8")
    page.show(path)
    assert page.value("document.documentElement.dataset.charts") == "drawn"
    assert page.complaints == []


def test_page_on_paper_is_light_and_unfolds_to_its_width(page: Browser, report: Path) -> None:
    page.show(report, width=760, dark=True)
    page.value("window.dispatchEvent(new Event('beforeprint'))")
    page.send("Emulation.setEmulatedMedia", media="print")
    ground = page.value("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.value("document.documentElement.scrollWidth") <= 760
