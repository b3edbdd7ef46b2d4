"""No adapter goes without the contract."""

from __future__ import annotations

from pathlib import Path

from candela.brokers.opening import ADAPTERS
from tests.candela.brokers.places import PLACES


def test_adapter_when_it_is_registered_then_runs_the_contract() -> None:
    assert set(ADAPTERS) <= set(PLACES)
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_contract_*.py")]
    assert all(any(f'"{name}"' in text for text in texts) for name in PLACES)
