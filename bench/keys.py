"""Rotation of the keys of many tenants: `python -m bench.keys`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from candela.clock import FixedClock
from candela.db.connect import Database
from candela.db.migrate import migrate
from candela.desk.rotating import reseal_all, rewrap_all
from candela.embedded import open_places, stop_servers
from candela.ids import new_id, shard_of
from candela.settings import load_settings
from candela.vault.credential import Credential
from candela.vault.envelope import Place, new_data_key, seal, wrap
from candela.vault.masterkeys import MasterKeys

_AT = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure wrapping and sealing anew on an embedded server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=2_000)
    parser.add_argument("--secrets", type=int, default=5, help="of each tenant")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="candela-bench-"))
    settings = load_settings().model_copy(
        update={"state_dir": folder / "state", "database_url": None, "redis_url": None}
    )
    try:
        database = open_places(settings).database
        migrate(database)
        one, two = Credential(bytes(range(32))), Credential(bytes(range(50, 82)))
        _fill(database, MasterKeys({1: one}), given.tenants, given.secrets)
        both = MasterKeys({1: one, 2: two})
        started = time.monotonic()
        report = rewrap_all(database, both)
        print(f"wrapped anew: {report.keys} keys, {time.monotonic() - started:.2f} s")
        started = time.monotonic()
        clock = FixedClock(_AT + timedelta(days=9))
        done = reseal_all(database, both, clock, older_than=timedelta(hours=1))
        print(
            f"sealed anew: {done.secrets} secrets by {done.keys} new keys, {done.destroyed} old"
            f" keys destroyed, {time.monotonic() - started:.2f} s"
        )
    finally:
        stop_servers(settings.state_dir)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(database: Database, masters: MasterKeys, tenants: int, secrets: int) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        for number in range(tenants):
            tenant = new_id(_AT)
            key = new_data_key(tenant, 1)
            cursor.execute(
                "INSERT INTO tenancy.tenants (tenant_id, name) VALUES (%s, %s)",
                (tenant, str(number)),
            )
            cursor.execute(
                "INSERT INTO tenancy.directory (tenant_id, shard) VALUES (%s, %s)",
                (tenant, shard_of(tenant)),
            )
            cursor.execute(
                "INSERT INTO tenancy.tenant_keys VALUES (%s, 1, 1, %s, %s)",
                (tenant, wrap(masters, key), _AT),
            )
            rows: list[tuple[object, ...]] = []
            for _ in range(secrets):
                secret = new_id(_AT)
                place = Place(tenant, "exchange", secret)
                sealed = seal(key, place, Credential("a key and a secret of some length" * 4))
                rows.append((tenant, secret, str(secret), sealed))
            cursor.executemany(
                "INSERT INTO tenancy.secrets (tenant_id, secret_id, purpose, label, key_version,"
                " sealed, last_four) VALUES (%s, %s, 'exchange', %s, 1, %s, '')",
                rows,
            )


if __name__ == "__main__":
    main()
