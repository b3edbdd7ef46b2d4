"""Reports: one HTML page that needs nothing else, and pictures for a document."""

from __future__ import annotations

from backtest.report.bets import view_of_bets
from backtest.report.plots import save_plots
from backtest.report.render import render_report
from backtest.report.reportable import Candles, Judgement, Reportable, Run, Section

__all__ = [
    "Candles",
    "Judgement",
    "Reportable",
    "Run",
    "Section",
    "render_report",
    "save_plots",
    "view_of_bets",
]
