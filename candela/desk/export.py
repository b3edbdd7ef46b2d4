"""All data of a tenant in one file: each table as lines of JSON, with a list of digests."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from psycopg import sql

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.desk.session import TenantSession

__all__ = ["HIDDEN_COLUMNS", "Exported", "exported_tables", "write_export"]

HIDDEN_COLUMNS: Final = frozenset({"password_hash", "totp_last_step"})
"""What proves who somebody is, beside everything that is stored as bytes: sealed or hashed."""
_ROWS: Final = 1_000
_TABLES: Final = """
SELECT spaces.nspname AS space, classes.relname AS name,
    array_agg(attributes.attname::text ORDER BY attributes.attnum) AS columns,
    array_agg(attributes.atttypid::regtype::text ORDER BY attributes.attnum) AS types
FROM pg_catalog.pg_class AS classes
INNER JOIN pg_catalog.pg_namespace AS spaces ON classes.relnamespace = spaces.oid
INNER JOIN pg_catalog.pg_attribute AS attributes ON classes.oid = attributes.attrelid
WHERE classes.relkind IN ('r', 'p') AND NOT classes.relispartition
    AND attributes.attnum > 0 AND NOT attributes.attisdropped
    AND classes.relrowsecurity AND spaces.nspname !~ '^pg_'
    AND has_schema_privilege(spaces.oid, 'USAGE')
    AND has_column_privilege(classes.oid, attributes.attnum, 'SELECT')
GROUP BY spaces.nspname, classes.relname
HAVING bool_or(attributes.attname = 'tenant_id')
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """A table of the export.

    Parameters
    ----------
    digest
        SHA-256 of its file, in hexadecimal.
    """

    table: str
    rows: int
    digest: str


def exported_tables(session: TenantSession) -> dict[str, list[tuple[str, str]]]:
    """Return the tables of tenants that the application may read: columns and their types.

    They are found in the catalogue, so that a new table is part of the export. What is sealed or
    hashed is left out.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for row in session.rows(_TABLES, {}):
        pairs = zip(row["columns"], row["types"], strict=True)
        columns = [
            (name, kind) for name, kind in pairs if kind != "bytea" and name not in HIDDEN_COLUMNS
        ]
        found[f"{row['space']}.{row['name']}"] = columns
    return found


def write_export(session: TenantSession, file: IO[bytes], *, clock: Clock) -> list[Exported]:
    """Write everything of the tenant as a ZIP; return what is in it.

    One file a table, one row a line; amounts are texts, exact to the digit; ``manifest.json`` says
    how many rows each has, and its digest. Rows are read some at a time.
    """
    done: list[Exported] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for table, columns in exported_tables(session).items():
            done.append(_write(session, archive, table, columns))
        manifest: dict[str, Any] = {
            "tenant_id": str(session.tenant_id),
            "exported_at": clock.now().isoformat(),
            "format": "one file of JSON lines for each table; digests are SHA-256",
            "tables": [
                {"table": one.table, "rows": one.rows, "sha256": one.digest} for one in done
            ],
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    return done


def _write(
    session: TenantSession, archive: zipfile.ZipFile, table: str, columns: list[tuple[str, str]]
) -> Exported:
    shown = sql.SQL(", ").join(
        sql.SQL("{0}::text AS {0}").format(sql.Identifier(name))
        if kind == "numeric"
        else sql.Identifier(name)
        for name, kind in columns
    )
    query = sql.SQL(
        "SELECT row_to_json(r)::text FROM (SELECT {} FROM {} WHERE tenant_id = %s) AS r"
    ).format(shown, sql.Identifier(*table.split(".")))
    digest, count = hashlib.sha256(), 0
    with (
        archive.open(f"{table}.jsonl", "w") as out,
        session.connection.cursor(name="export") as cursor,
    ):
        cursor.itersize = _ROWS
        cursor.execute(query, (session.tenant_id,))
        for (text,) in cursor:
            line = f"{text}\n".encode()
            digest.update(line)
            out.write(line)
            count += 1
    return Exported(table, count, digest.hexdigest())
