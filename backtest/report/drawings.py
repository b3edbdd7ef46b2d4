"""Drawings without scripts: histograms and bars as SVG inside the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from backtest.report.numerals import count, percent
from backtest.report.reportable import Floats

__all__ = ["bar_drawing", "return_histogram"]

_WIDTH = 400
_HEIGHT = 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 30, 40
_INNER_W = _WIDTH - _LEFT - _RIGHT
_INNER_H = _HEIGHT - _TOP - _BOTTOM
_MOST_BINS = 40


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * size for size in (1, 2, 2.5, 5, 10) if power * size >= rough * (1 - 1e-9))


def _opening(title: str, words: str) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}: {}"><title>{}</title>'
    ).format(_WIDTH, _HEIGHT, title, words, title)


def _scale(largest: int) -> Markup:
    """Return the axis of counts: nought, the half and the whole, where whole numbers."""
    drawn = Markup("")
    marks = {0, largest} | ({largest // 2} if largest % 2 == 0 else set[int]())
    for mark in sorted(marks):
        y = _TOP + _INNER_H * (1 - mark / largest)
        drawn += Markup(
            '<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 5, y + 4, count(mark))
    return drawn


def return_histogram(returns: Floats) -> Markup:
    """Draw how often trades returned how much, with their mean and median.

    Bins are cut at nought, so that no bar mixes gains and losses; the widest hundredth on either
    side is counted in the outermost bars.
    """
    low, high = (float(edge) for edge in np.quantile(returns, (0.01, 0.99)))
    low, high = min(low, 0.0), max(high, 0.0)
    width = (
        _nice_step((high - low) / min(_MOST_BINS, 8 + len(returns) // 8)) if high > low else 0.01
    )
    first, last = math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9)
    gained = returns > 0
    first = first if gained.all() else min(first, -1)
    last = max(last, 1) if gained.any() else last
    # Rounding moves no trade over nought; a return of nought is no gain.
    place = np.ceil(returns / width - 1e-9).astype(np.int64) - 1
    place = np.where(gained, np.maximum(place, 0), np.minimum(place, -1))
    place = np.clip(place, first, last - 1)
    counts = np.bincount(place - first, minlength=last - first)
    mean, median = float(returns.mean()), float(np.median(returns))
    step = _INNER_W / (last - first)
    largest = int(counts.max())

    def x_of(ratio: float) -> float:
        return _LEFT + min(max((ratio / width - first) * step, 0.0), _INNER_W)

    words = f"{len(returns)} trades, mean {percent(mean)}, median {percent(median)}"
    drawn = _opening("Returns of closed trades", words) + _scale(largest)
    for number, tall in enumerate(counts.tolist()):
        if tall:
            size = _INNER_H * tall / largest
            start, end = (first + number) * width, (first + number + 1) * width
            drawn += Markup(
                '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                "<title>{} to {}: {} trades</title></rect>"
            ).format(
                "gainbar" if first + number >= 0 else "lossbar",
                _LEFT + number * step + 0.4,
                _TOP + _INNER_H - size,
                max(step - 0.8, 0.6),
                size,
                percent(start),
                percent(end),
                tall,
            )
    for name, value in (("mean", mean), ("median", median)):
        drawn += Markup(
            '<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"><title>{}</title></line>'
        ).format(
            name, x_of(value), x_of(value), _TOP - 6, _TOP + _INNER_H, f"{name} {percent(value)}"
        )
    drawn += Markup(
        '<text class="value" x="{}" y="14">mean {} (line), median {} (dashes)</text>'
    ).format(_LEFT, percent(mean), percent(median))
    drawn += _ratio_axis(first * width, last * width, x_of)
    return drawn + Markup("</svg>")


def _ratio_axis(low: float, high: float, x_of: Callable[[float], float]) -> Markup:
    step = _nice_step((high - low) / 5)
    decimals = max(0, -math.floor(math.log10(step * 100) + 1e-9))
    drawn = Markup("")
    for mark in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        drawn += Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x_of(mark * step), _HEIGHT - 22, f"{mark * step * 100:.{decimals}f} %"
        )
    return drawn + Markup(
        '<text x="{}" y="{}" text-anchor="middle">return of a trade, after costs</text>'
    ).format(_LEFT + _INNER_W / 2, _HEIGHT - 5)


def bar_drawing(title: str, axis: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    """Draw one bar a class, its count above it."""
    largest = max(counts)
    step = _INNER_W / len(counts)
    words = ", ".join(f"{label}: {tall}" for label, tall in zip(labels, counts, strict=True))
    drawn = _opening(title, words) + _scale(largest)
    for number, (label, tall) in enumerate(zip(labels, counts, strict=True)):
        size = _INNER_H * tall / largest
        middle = _LEFT + (number + 0.5) * step
        drawn += Markup(
            '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
            '<text class="value" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
            '<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
        ).format(
            middle - step * 0.36,
            _TOP + _INNER_H - size,
            step * 0.72,
            size,
            middle,
            _TOP + _INNER_H - size - 5,
            tall,
            middle,
            _HEIGHT - 22,
            label,
        )
    return drawn + Markup('<text x="{}" y="{}" text-anchor="middle">{}</text></svg>').format(
        _LEFT + _INNER_W / 2, _HEIGHT - 5, axis
    )
