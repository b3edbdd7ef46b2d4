"""The witness: triggers that write down who held a part when an attempt was begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["watch"]

_WATCH: Final = """
CREATE SCHEMA IF NOT EXISTS storm;
CREATE TABLE IF NOT EXISTS storm.leases (
    kind text, shard integer, epoch bigint, owner text,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS storm.attempts (
    client_id text, shard integer, epoch bigint, owner text, writer text, is_held boolean
);
CREATE OR REPLACE FUNCTION storm.note_lease() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO storm.leases (kind, shard, epoch, owner)
    VALUES (new.kind, new.shard, new.epoch, new.owner);
    RETURN new;
END $$;
CREATE OR REPLACE FUNCTION storm.note_attempt() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO storm.attempts (client_id, shard, epoch, owner, writer, is_held)
    SELECT new.client_id, s.shard, s.epoch, s.owner, current_setting('application_name'),
        s.expires_at > clock_timestamp()
    FROM tenancy.directory AS d
    INNER JOIN live.shards AS s ON s.kind = 'trade' AND s.shard = d.shard
    WHERE d.tenant_id = new.tenant_id;
    RETURN new;
END $$;
CREATE OR REPLACE TRIGGER storm_lease AFTER UPDATE OF epoch ON live.shards
FOR EACH ROW WHEN (old.epoch IS DISTINCT FROM new.epoch) EXECUTE FUNCTION storm.note_lease();
CREATE OR REPLACE TRIGGER storm_attempt AFTER INSERT ON trading.orders
FOR EACH ROW EXECUTE FUNCTION storm.note_attempt();
"""


def watch(database: Database) -> None:
    """Write down from now on each change of a lease, and each attempt with the lease's owner."""
    with database.connect(autocommit=True) as connection:
        connection.execute(_WATCH.encode())
