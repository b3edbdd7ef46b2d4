"""Fees of venues: those of ccxt, by the kind of contract."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from candela.market.fees import fee_table, venue_fees
from candela.market.instrument import Instrument

CODE = """
import ccxt, json
found = {}
for name in ccxt.exchanges:
    fees = getattr(ccxt, name)().describe().get("fees") or {}
    for part in ("trading", "spot"):
        one = fees.get(part) or {}
        one = one["trading"] if isinstance(one.get("trading"), dict) else one
        both = [one.get("taker"), one.get("maker")]
        if all(isinstance(fee, (int, float)) for fee in both):
            found[name] = [round(fee * 1e4, 6) for fee in both]
            break
print(json.dumps(found))
"""


def test_fee_table_when_compared_with_ccxt_then_spot_fees_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True)
    told = json.loads(done.stdout)
    assert len(told) > 50
    assert {name: fee_table().get(name, {}).get("spot") for name in told} == told


@pytest.mark.parametrize(
    ("instrument", "taker", "maker"),
    [
        ("binance:BTC/USDT", 10, 10),
        ("binance:BTC/USDT:USDT", 5, 2),
        ("binance:BTC/USD:BTC", 5, 1),
        ("bitvavo:BTC/EUR", 25, 20),
    ],
)
def test_fees_when_of_a_contract_then_those_of_its_kind(
    instrument: str, taker: float, maker: float
) -> None:
    fees = venue_fees(Instrument.parse(instrument))
    assert fees is not None
    assert (fees.taker_bps, fees.maker_bps) == (taker, maker)


def test_fees_when_the_venue_is_unknown_then_none() -> None:
    assert venue_fees(Instrument.parse("nowhere:BTC/EUR")) is None
