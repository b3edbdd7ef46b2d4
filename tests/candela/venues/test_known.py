"""Known venues: the same that ccxt has, told without loading it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from candela.venues.errors import UnknownVenue
from candela.venues.known import known_venues, require_venue


def test_known_venues_when_compared_with_ccxt_then_are_the_same() -> None:
    code = "import ccxt; print(*ccxt.exchanges)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert set(done.stdout.split()) <= set(known_venues())


def test_require_venue_when_misspelled_then_names_the_nearest() -> None:
    require_venue("kraken")
    with pytest.raises(UnknownVenue, match=r"'krakn'.*kraken"):
        require_venue("krakn")
