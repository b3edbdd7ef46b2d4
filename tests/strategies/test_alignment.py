"""Bars of another instrument stand on the times of the first, NaN where they had none."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.alignment import beside, on_times
from strategies.bars import BadBars
from strategies.sample import sample_bars

BTC = sample_bars()[:100]
ETH = sample_bars("bitvavo:ETH/EUR")[:100]


def test_other_bars_when_some_are_missing_then_unknown_there_alone() -> None:
    kept = np.r_[0:10, 20:60]
    part = on_times(ETH, ETH.time[kept])
    back = on_times(part, BTC.time)
    assert back.time is BTC.time or np.array_equal(back.time, BTC.time)
    known = np.isin(np.arange(100), kept)
    assert np.array_equal(np.isnan(back.close), ~known)
    assert np.array_equal(back.close[known], ETH.close[known])
    assert np.array_equal(back.volume[known], ETH.volume[known])


def test_other_bars_when_there_are_none_then_all_unknown() -> None:
    assert np.isnan(on_times(ETH[:0], BTC.time).close).all()


def test_bars_when_others_stand_beside_then_found_by_name_and_sliced_together() -> None:
    bars = beside(BTC, {"bitvavo:ETH/EUR": ETH})
    assert np.array_equal(bars[10:20].other("bitvavo:ETH/EUR").close, ETH.close[10:20])
    with pytest.raises(BadBars, match="there are: bitvavo:ETH/EUR"):
        bars.other("bitvavo:XRP/EUR")
