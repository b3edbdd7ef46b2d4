"""Texts of strategies: kept by digest, with the result of their last check."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from backtest.ledger.refusals import NoStrategySource

if TYPE_CHECKING:
    from backtest.ledger import Ledger
    from candela.clock import FixedClock


def test_source_when_saved_twice_then_kept_once_with_its_last_check(
    ledger: Ledger, clock: FixedClock
) -> None:
    assert ledger.save_source("sha256:aa", "mine", "def signals(): ...")
    assert not ledger.save_source("sha256:aa", "mine", "something else")
    clock.at += timedelta(minutes=1)
    ledger.record_check("sha256:aa", {"clean": False})
    ledger.record_check("sha256:aa", {"clean": True})
    kept = ledger.source("sha256:aa")
    assert (kept.source, kept.check_result) == ("def signals(): ...", {"clean": True})
    assert (kept.checked_at, kept.saved_at) == (clock.at, clock.at - timedelta(minutes=1))
    ledger.save_source("sha256:bb", "mine", "def signals(): pass")
    assert [one.source_digest for one in ledger.sources("mine")] == ["sha256:bb", "sha256:aa"]


def test_source_when_unknown_then_said(ledger: Ledger) -> None:
    with pytest.raises(NoStrategySource, match="sha256:cc"):
        ledger.source("sha256:cc")
    with pytest.raises(NoStrategySource, match="sha256:cc"):
        ledger.record_check("sha256:cc", {})
