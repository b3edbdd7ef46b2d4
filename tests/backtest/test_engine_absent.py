"""Everything but the second engine works where vectorbt is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# None in sys.modules makes an import fail as that of a package which is not there.
WITHOUT = """
import sys
sys.modules["vectorbt"] = None

from backtest.engine import compare, is_available, portfolio_of_orders, to_portfolio
from backtest.run import backtest
from candela.errors import ConfigError
from strategies.bars import Bars
from strategies.ma_cross import ma_cross
from tests.fixtures.candles import sample

bars = Bars.from_frame(sample("BTC-EUR_1h"), "1h", "bitvavo:BTC/EUR")[:1_000]
result = backtest(ma_cross, bars)
"""


def said(code: str) -> str:
    """Run code in a Python of its own, warnings as errors, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_backtest_without_vectorbt_has_its_figures_curves_and_digest() -> None:
    out = said("print(result.metrics['orders'], len(result.equity), result.trades_digest)")
    assert out.startswith("12 1000 sha256:")


def test_second_engine_without_vectorbt_says_how_to_install_it_and_its_licence() -> None:
    out = said("""
print(is_available())
for ask in (compare, to_portfolio, portfolio_of_orders):
    try:
        ask(result)
    except ConfigError as error:
        print(error.code, error.message, error.hint)
""")
    lines = out.splitlines()
    assert lines[0] == "False"
    assert len(lines) == 4
    for line in lines[1:]:
        assert line.startswith("vectorbt_absent vectorbt cannot be loaded: ")
        assert "pip install 'candela[vectorbt]'" in line
        assert "Commons Clause" in line


def test_report_without_vectorbt_is_one_page() -> None:
    out = said("""
from backtest.report.render import render_report
page = render_report(result)
print(page[:15], page.rstrip()[-7:], sys.modules["vectorbt"])
""")
    assert out == "<!DOCTYPE html> </html> None\n"


@pytest.mark.parametrize("words", [["--help"], ["backtest", "--help"], ["sweep", "--help"]])
def test_command_line_without_vectorbt_answers(words: list[str]) -> None:
    out = said(f"""
from candela.commands.app import main
sys.argv = ["candela", *{words!r}]
try:
    main()
except SystemExit as end:
    assert not end.code
""")
    assert "Usage: candela" in out


def test_engine_loaded_does_not_load_vectorbt_or_pandas() -> None:
    code = "import sys, backtest.engine; print({'vectorbt', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
