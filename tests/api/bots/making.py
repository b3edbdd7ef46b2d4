"""Bots that people of tests ask for over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from httpx2 import Response

    from tests.fixtures.api import Person

__all__ = ["CONFIG", "account_of", "faults", "made", "make"]

CONFIG = {
    "strategy": "ma_cross",
    "parameters": {"fast": 10, "slow": 30},
    "instrument": "binance:BTC/USDT",
    "timeframe": "1m",
    "capital": "50",
}


def account_of(person: Person) -> str:
    with person.desk.session() as session:
        row = session.row(
            "SELECT account_id FROM trading.accounts WHERE tenant_id = %(tenant)s", {}
        )
    assert row is not None
    return str(row["account_id"])


def make(person: Person, name: str = "one", **fields: Any) -> Response:
    """Ask for a bot; fields are those of its configuration, and whole ones of the body."""
    body: dict[str, Any] = {
        "name": name,
        "account_id": fields.pop("account_id", None) or account_of(person),
        "config": CONFIG | fields.pop("config", {}),
    }
    return person.post("/bots", json=body | fields)


def made(person: Person, name: str = "one", **fields: Any) -> dict[str, Any]:
    found = make(person, name, **fields)
    assert found.status_code == 201, found.text
    answer: dict[str, Any] = found.json()
    return answer


def faults(found: Response) -> dict[str, str]:
    assert found.status_code == 422, found.text
    return {one["field"]: one["reason"] for one in found.json()["faults"]}
