"""The page: one HTML file with its charts, tables and data inside, which loads nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from markupsafe import Markup

from backtest.report import assumptions, drawings, figures, numerals, tradelog
from backtest.report.bets import is_fixed_payout, view_of_bets
from backtest.report.months import monthly_returns
from backtest.report.payload import chart_payload, display_timeframe, price_decimals
from backtest.report.reportable import Judgement, Reportable, Run, Section, reportable
from backtest.report.silence import why_no_trade
from backtest.report.vocabulary import every_figure

if TYPE_CHECKING:
    import jinja2

    from backtest.payout import PayoutResult

__all__ = ["SHOWN_TRADES", "render_report"]

SHOWN_TRADES: Final = 200
"""Trades in the table before any script runs, and on each of its pages."""

_SCRIPTS: Final = ("lightweight-charts.standalone.production.js", "charts.js", "trades.js")
# What a level of the heat table means; the same in every report, so that two can be compared.
_LEVELS: Final = (0.02, 0.10)


def render_report(
    run: Run | PayoutResult,
    *,
    verdict: Judgement | None = None,
    title: str | None = None,
) -> str:
    """Return the report of a run as one HTML page.

    The page needs no other file and no network, reads on phones and on paper, and shows its
    figures and tables without scripts too; the charts need them.

    Parameters
    ----------
    run
        The run; one of fixed payouts is shown with its ruin.
    verdict
        What was found about luck and skill; put before everything else.
    title
        The heading; by default the strategy, instruments and timeframe.
    """
    bets = is_fixed_payout(run)
    result = view_of_bets(run) if is_fixed_payout(run) else reportable(cast("Run", run))
    manifest, bars = result.manifest, result.bars
    named = [one for one in assumptions.texts(manifest.get("instruments")) if one]
    instruments = named or [bars.instrument or "unnamed candles"]
    unit = figures.quote_currency(instruments[0])
    name = assumptions.strategy_name(manifest)
    initial = float(result.metrics.get("initial_equity", math.nan))
    if math.isnan(initial):
        initial = float(result.equity[0]) if len(bars) else 0.0
    decimals = price_decimals(bars)
    shown = display_timeframe(bars)
    trades = result.trades
    closed = trades[trades["exit_bar"] >= 0]
    lengths = tradelog.holdings(trades)
    page = {
        "title": title or f"{name} on {', '.join(instruments)}, {bars.timeframe}",
        "name": name,
        "parameters": assumptions.parameters(manifest),
        "manifest_id": str(manifest.get("id", "")),
        "trades_digest": result.trades_digest,
        "span": _span(result),
        "unit": unit,
        "verdict": verdict,
        "sentence": figures.in_a_sentence(result, unit),
        "silence": why_no_trade(result),
        "tiles": figures.tiles(result.metrics, unit),
        "every_figure": every_figure(result.metrics, unit),
        "assumed": assumptions.assumed(manifest, unit),
        "aggregated": None if shown == bars.timeframe else (str(bars.timeframe), str(shown)),
        "bars": numerals.count(len(bars)),
        "panes": list(result.panes),
        "months": monthly_returns(bars.time, result.equity, initial),
        "level": _level,
        "histogram": drawings.return_histogram(closed["return_ratio"]) if len(closed) else None,
        "closed": numerals.count(len(closed)),
        "holdings": lengths,
        "holding_drawing": _drawn_lengths(lengths) if lengths else None,
        "costs": figures.cost_rows(result.metrics, unit),
        "falls": figures.fall_rows(result, initial),
        "trades": tradelog.table_rows(
            trades[:SHOWN_TRADES], bars, instruments, decimals, bets=bets
        ),
        "bets": bets,
        "trades_total": len(trades),
        "several": len(instruments) > 1,
        "csv": tradelog.csv_link(trades, bars, instruments, bets=bets) if len(trades) else None,
        "file_name": _file_name(name, str(manifest.get("id", ""))),
        "extra_sections": [_extra(one) for one in _sections(result)],
        "manifest_json": json.dumps(_jsonable(manifest), indent=2, ensure_ascii=False),
        "payload": _script_json(
            {
                **chart_payload(result, initial, decimals),
                "unit": unit,
                "instrument": instruments[0],
                "instruments": len(instruments),
                "bets": bets,
                "step": bars.timeframe.seconds,
                "page": SHOWN_TRADES,
            }
        ),
        "percent": numerals.percent,
        "amount": numerals.amount,
        "tone": numerals.tone,
        **_static(),
    }
    return _environment().get_template("report.html").render(page)


def _drawn_lengths(lengths: Sequence[tradelog.Holding]) -> Markup:
    labels, counts = [one.label for one in lengths], [one.trades for one in lengths]
    return drawings.bar_drawing("Closed trades by length", "bars held", labels, counts)


def _span(result: Reportable) -> str:
    time = result.bars.time
    if not len(time):
        return "no candles"
    return f"{numerals.instant(int(time[0]))} to {numerals.instant(int(time[-1]))} UTC"


def _level(ratio: float) -> str:
    """Return the class of the ground of a cell in the heat table."""
    if math.isnan(ratio) or ratio == 0:
        return ""
    step = 1 + sum(abs(ratio) >= edge for edge in _LEVELS)
    return f"{'g' if ratio > 0 else 'l'}{step}"


def _sections(result: Reportable) -> Sequence[Section]:
    return cast("Sequence[Section]", getattr(result, "extra_sections", None) or ())


def _extra(section: Section) -> dict[str, object]:
    svg = section.svg
    return {
        "title": section.title,
        "figures": [(word, _worded(value)) for word, value in section.figures.items()],
        # As an image: a browser runs and loads nothing inside one.
        "image": "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
        if svg
        else None,
    }


def _worded(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}" if math.isfinite(value) else numerals.amount(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _jsonable(value: object) -> object:
    """Return a manifest as JSON has it: undefined numbers are null, the rest is text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if parts := assumptions.mapping(value):
        return {name: _jsonable(part) for name, part in parts.items()}
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, Sequence):
        return [_jsonable(part) for part in cast("Sequence[object]", value)]
    return str(value)


def _script_json(data: object) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - the three characters of markup are escaped above


def _file_name(name: str, identity: str) -> str:
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
    return f"{safe[:60]}-{identity.removeprefix('sha256:')[:12] or 'run'}-trades.csv"


@functools.cache
def _static() -> dict[str, Any]:
    """Return the page's own style and scripts, with the policy that allows these alone."""
    folder = files("backtest.report") / "static"
    style = (folder / "report.css").read_text(encoding="utf-8")
    scripts = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    allowed = " ".join(_hashed(script) for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_hashed(style)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    return {
        "policy": policy,
        "style": Markup(style),  # noqa: S704 - files of this package
        "scripts": [Markup(script) for script in scripts],  # noqa: S704
    }


def _hashed(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        autoescape=True,
        loader=jinja2.PackageLoader("backtest.report"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
