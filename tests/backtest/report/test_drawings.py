"""Histograms count every trade and never mix gains with losses."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backtest.report.drawings import bar_drawing, return_histogram
from tests.backtest.report.page import parsed_page

RETURNS = st.lists(
    st.floats(-0.9, 3.0, allow_nan=False).map(lambda value: round(value, 5)),
    min_size=1,
    max_size=80,
)


def bars_of(drawing: str) -> list[tuple[str, float, int]]:
    found = re.findall(
        r'<rect class="(\w+)" x="([\d.-]+)"[^<]*<title>[^<]* (\d+) trades</title>', drawing
    )
    return [(kind, float(place), int(tall)) for kind, place, tall in found]


@settings(deadline=None)
@given(returns=RETURNS)
@example(returns=[0.0])
@example(returns=[0.01, 0.02, 0.03])
@example(returns=[-0.01, 0.01])
@example(returns=[1e-5])
@example(returns=[1e-15, 0.5])
@example(returns=[1e-15, -0.5, 0.5])
def test_histogram_always_counts_gains_and_losses_apart(returns: list[float]) -> None:
    bars = bars_of(return_histogram(np.array(returns)))
    gains = sum(tall for kind, _, tall in bars if kind == "gainbar")
    assert sum(tall for *_, tall in bars) == len(returns)
    assert gains == sum(value > 0 for value in returns)
    assert all(0 <= place <= 400 for _, place, _ in bars)


def test_histogram_names_mean_and_median_in_its_label() -> None:
    drawing = return_histogram(np.array([-0.01, 0.02, 0.05]))
    label = parsed_page(drawing).all("svg")[0].attributes["aria-label"]
    assert label == "Returns of closed trades: 3 trades, mean 2.00 %, median 2.00 %"


def test_bar_drawing_escapes_labels_and_writes_counts() -> None:
    drawing = bar_drawing("A & B", "<axis>", ["<1>", "2"], [3, 4])
    texts = [one.text for one in parsed_page(drawing).all("text")]
    assert "<axis>" in texts
    assert "<1>" in texts
    assert "4" in texts
    assert "<axis>" not in drawing
