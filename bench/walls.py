"""Every statement of the application, with the ids of other tenants: `python -m bench.walls`.

Three ways: as it is; with the application's own filter taken out, so that row-level security stands
alone; and as a superuser, so that the filter stands alone.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import random
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg

import api
import candela.billing
import candela.desk
import candela.identity
import candela.notify
from candela.db.connect import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from candela.db.connect import Database

__all__ = ["WAYS", "Counts", "Neighbour", "run_walls", "statements"]

AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
WAYS: Final = ("as it is", "row-level security alone", "filter alone")
_FILTER: Final = re.compile(r"(?:\w+\.)?tenant_id = %\(tenant\)s")
_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_PACKAGES: Final = (candela.desk, candela.identity, candela.billing, candela.notify, api)
_READS: Final = ("SELECT", "WITH", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A tenant, and the ids of what it has."""

    tenant_id: UUID
    account_id: UUID
    bot_id: UUID
    row_id: UUID

    @property
    def marks(self) -> frozenset[Any]:
        """What shows in a row that is this tenant's."""
        return frozenset((self.tenant_id, self.account_id, self.bot_id, self.row_id))


@dataclass(slots=True)
class Counts:
    """What came of the statements of one way."""

    ran: int = 0
    refused: int = 0
    rows: int = 0
    foreign: int = 0
    leaky: set[str] = field(default_factory=set[str])
    unusable: set[str] = field(default_factory=set[str])


def statements() -> dict[str, str]:
    """Return every statement that names a tenant and can give or touch rows, by where it stands."""
    found: dict[str, str] = {}
    for module in _modules():
        content: dict[str, Any] = module.__dict__
        for name in sorted(content):
            value = content[name]
            if not isinstance(value, str) or "%(tenant)s" not in value:
                continue
            if value.strip().upper().startswith(_READS) and value not in found.values():
                found[f"{module.__name__}.{name}"] = value
    return found


def _modules() -> Iterator[ModuleType]:
    for package in _PACKAGES:
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(one.name)


def run_walls(
    database: Database, tenants: list[Neighbour], count: int, way: str, *, seed: int = 1
) -> Counts:
    """Run statements at random for tenants with ids of others; each is undone."""
    chance, counts = random.Random(seed), Counts()
    texts = {name: _text(value, way) for name, value in statements().items()}
    names = sorted(texts)
    role = None if way == "filter alone" else Role.APP
    with database.connect(role, autocommit=True) as connection:
        done = 0
        while done < count:
            acting, target = chance.sample(tenants, 2)
            portion = [chance.choice(names) for _ in range(min(100, count - done))]
            done += len(portion)
            _portion(connection, acting, target, [(name, texts[name]) for name in portion], counts)
    return counts


def _text(statement: str, way: str) -> bytes:
    text = statement.strip()
    if text.upper().startswith(("UPDATE", "DELETE")) and "RETURNING" not in text.upper():
        text += " RETURNING *"
    if way == "row-level security alone":
        text = _FILTER.sub("(true OR %(tenant)s::uuid IS NULL)", text)
    return text.encode()


def _portion(
    connection: psycopg.Connection[Any],
    acting: Neighbour,
    target: Neighbour,
    portion: list[tuple[str, bytes]],
    counts: Counts,
) -> None:
    for name, text in portion:
        counts.ran += 1
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(
                    "SELECT set_config('candela.tenants', %s, true)", (str(acting.tenant_id),)
                )
                cursor = connection.execute(text, _values(text.decode(), acting, target))
                rows = cursor.fetchall() if cursor.description else []
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError):
            counts.refused += 1
            continue
        except (psycopg.ProgrammingError, psycopg.DataError) as error:
            counts.ran -= 1
            counts.unusable.add(f"{name}: {str(error).splitlines()[0]}")
            continue
        counts.rows += len(rows)
        for row in rows:
            if not target.marks.isdisjoint(_cells(row)):
                counts.foreign += 1
                counts.leaky.add(name)


def _cells(row: tuple[Any, ...]) -> list[Any]:
    return [cell for cell in row if isinstance(cell, UUID)]


def _values(text: str, acting: Neighbour, target: Neighbour) -> dict[str, Any]:
    return {
        name: acting.tenant_id if name == "tenant" else _value(name, target)
        for name in set(_PARAMETER.findall(text))
    }


_IDS: Final = frozenset({
    "alert", "order", "request", "secret", "trade", "session", "user", "token", "id", "entry",
    "run", "halt", "notification", "mail", "intent", "decision", "key_id", "secret_id",
})  # fmt: skip
_WORDS: Final[Mapping[str, Any]] = {
    "limit": 50, "many": 50, "at": AT, "now": AT, "since": datetime(2020, 1, 1, tzinfo=UTC),
    "until": datetime(2030, 1, 1, tzinfo=UTC), "name": "bot", "label": "one", "ccy": "USDT",
    "symbol": "BTC/USDT", "venue": "binance", "purpose": "exchange", "kind": "market",
    "active": True, "wanted": "stopped", "flatten": False, "version": 1, "days": 30,
    "state": None, "mode": None, "reason": "x", "by": "x", "role": "user", "why": "x",
    "before": None, "unread": False, "amount": 1, "client": None, "quantity": 1, "price": 1,
}  # fmt: skip


def _value(name: str, target: Neighbour) -> Any:
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith(("after", "before")):
        return None
    if "account" in name:
        return target.account_id
    if "bot" in name:
        return target.bot_id
    if "hash" in name:
        return target.row_id.bytes
    # What else there is narrows the answer; NULL fits every type.
    return target.row_id if name in _IDS else None


def main() -> None:
    """Run the three ways on a database of its own, and say the counts."""
    import tempfile
    from pathlib import Path

    from candela.db.migrate import migrate
    from candela.embedded import open_places, stop_servers
    from candela.settings import load_settings
    from tests.sql.tenants import add_tenant

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--tenants", type=int, default=20)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="candela-walls-", dir="/tmp"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None}
    )
    try:
        database = open_places(settings).database
        migrate(database)
        with database.connect() as connection:
            made = [add_tenant(connection, f"t{number}") for number in range(given.tenants)]
        tenants = [Neighbour(one.tenant_id, one.account_id, one.bot_id, one.row_id) for one in made]
        known = statements()
        sys.stdout.write(f"{len(known)} statements, {given.tenants} tenants\n")
        for way in WAYS:
            began = time.perf_counter()
            counts = run_walls(database, tenants, given.statements // len(WAYS), way)
            seconds = time.perf_counter() - began
            sys.stdout.write(
                f"{way}: {counts.ran:,} ran in {seconds:.0f} s, {counts.refused:,} refused,"
                f" {counts.rows:,} rows of its own, {counts.foreign} foreign"
                f" {sorted(counts.leaky)}; {len(counts.unusable)} unusable\n"
            )
            sys.stdout.flush()
    finally:
        stop_servers(folder / "state")


if __name__ == "__main__":
    main()
