"""Trying the keys that people entered, from where they will trade; and letting go of those gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg

from candela.brokers.keys import VenueKey
from candela.db.connect import Role
from candela.desk.keychecks import (
    AskedKey,
    doomed_keys,
    found,
    keys_to_ask,
    not_answered,
    refused,
)
from candela.desk.secrets import destroy_secret, open_secret
from candela.desk.session import tenant_session
from candela.errors import BrokerError, CandelaError
from candela.ids import shard_of
from candela.notify.telling import tell_tenant
from live.executor.keylook import look
from live.executor.reopening import reopen

if TYPE_CHECKING:
    from candela.brokers.opening import VenueBrokers
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.desk.opening import Seen
    from candela.desk.session import TenantSession
    from candela.vault.masterkeys import MasterKeys
    from live.executor.crew import Crew

__all__ = ["KeyChecks"]

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 10.0
_ANSWER_S: Final = 60.0
_AT_ONCE: Final = 8
_BATCH: Final = 500
_TENANTS: Final = """
SELECT tenant_id FROM tenancy.directory WHERE shard = ANY(%s) ORDER BY tenant_id
"""
_REFUSED: Final = """
SELECT label, check_reason FROM tenancy.secrets
WHERE tenant_id = %(tenant)s AND secret_id = %(key)s
"""
_ACT: Final = "SELECT set_config('candela.tenants', %s, true)"


class KeyChecks:
    """Asks venues about keys of the parts that the executor holds, beside everything else.

    A key whose executor dies meanwhile is asked about by the next one: the question stays in its
    row until it is answered.

    Parameters
    ----------
    used_by
        Name of the executor, for the record of decryptions.
    look_s
        After how long it looks unasked.
    """

    def __init__(
        self,
        database: Database,
        masters: MasterKeys,
        used_by: str,
        clock: Clock,
        houses: VenueBrokers,
        crew: Crew,
        *,
        look_s: float = _LOOK_S,
    ) -> None:
        self._database = database
        self._masters = masters
        self._used_by = used_by
        self._clock = clock
        self._houses = houses
        self._crew = crew
        self._look_s = look_s
        self._heard = asyncio.Event()
        self._tenants: set[UUID] = set()
        self._reopen: dict[UUID, set[UUID]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._busy: set[UUID] = set()

    def hear(self, tenant_id: UUID, payload: Mapping[str, Any]) -> None:
        """Note what an event says of a tenant's keys and accounts."""
        accounts: Iterable[object] = payload.get("reopen") or ()
        ids = {UUID(one) for one in accounts if isinstance(one, str)}
        if ids:
            self._reopen.setdefault(tenant_id, set()).update(ids)
        if ids or "secret" in payload:
            self._tenants.add(tenant_id)
            self._heard.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as jobs:
            while True:
                is_heard = True
                try:
                    await asyncio.wait_for(self._heard.wait(), self._look_s)
                except TimeoutError:
                    is_heard = False
                self._heard.clear()
                tenants, self._tenants = self._tenants, set()
                await self._let_go()
                for key in await self._next(tenants if is_heard else None):
                    if key.key_id not in self._busy:
                        self._busy.add(key.key_id)
                        jobs.create_task(self._ask(key))

    async def _next(self, tenants: set[UUID] | None) -> list[AskedKey]:
        try:
            return await asyncio.to_thread(self._waiting, tenants)
        except (CandelaError, psycopg.OperationalError) as error:
            _LOG.warning("keys are not looked at now: %s", type(error).__name__)
            return []

    async def _let_go(self) -> None:
        waiting, self._reopen = self._reopen, {}
        for tenant_id, accounts in waiting.items():
            await reopen(self._crew, tenant_id, accounts)

    async def _ask(self, key: AskedKey) -> None:
        try:
            async with self._turns:
                state = await self._asked(key)
            if state is not None:
                _LOG.info("key %s of tenant %s is %s", key.key_id, key.tenant_id, state)
        except (CandelaError, psycopg.OperationalError) as error:
            # The question is still in its row.
            _LOG.warning("key %s could not be asked about: %s", key.key_id, type(error).__name__)
        finally:
            self._busy.discard(key.key_id)

    async def _asked(self, key: AskedKey) -> str | None:
        if shard_of(key.tenant_id) not in self._crew.known:
            return None
        try:
            seen = await self._seen(key)
        except TimeoutError:
            silent = CandelaError(f"{key.venue} did not answer in {_ANSWER_S:g} s.")
            return await asyncio.to_thread(self._later, key, silent)
        except CandelaError as error:
            write = self._refuse if _is_final(error) else self._later
            return await asyncio.to_thread(write, key, error)
        return await asyncio.to_thread(self._found, key, seen)

    async def _seen(self, key: AskedKey) -> Seen:
        opened = await asyncio.to_thread(self._open, key)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await look(self._houses, key.venue, key.mode, opened)
        finally:
            opened.wipe()

    # --- in a thread, each in a transaction of its own --------------------------------------------

    def _waiting(self, tenants: set[UUID] | None) -> list[AskedKey]:
        now = self._clock.now()
        asked: list[AskedKey] = []
        doomed: list[tuple[UUID, UUID]] = []
        with self._database.connect(Role.EXECUTOR) as connection:
            if tenants is None:
                rows = connection.execute(_TENANTS, (list(self._crew.known),)).fetchall()
                ids: list[UUID] = [row[0] for row in rows]
            else:
                ids = sorted(tenants)
            connection.commit()
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                with connection.transaction():
                    connection.execute(_ACT, (",".join(map(str, batch)),))
                    asked += keys_to_ask(connection, batch, now)
                    doomed += doomed_keys(connection, batch, now)
        for tenant_id, secret_id in doomed:
            with tenant_session(self._database, tenant_id, role=Role.EXECUTOR) as session:
                destroy_secret(session, secret_id, reason="its owner left", clock=self._clock)
        return asked

    def _open(self, key: AskedKey) -> VenueKey:
        with tenant_session(self._database, key.tenant_id, role=Role.EXECUTOR) as session:
            parts = open_secret(
                session,
                self._masters,
                key.key_id,
                why="test",
                used_by=self._used_by,
                clock=self._clock,
            )
        return VenueKey(parts["api_key"], parts["secret"], parts.get("password"))

    def _found(self, key: AskedKey, seen: Seen) -> str:
        with tenant_session(self._database, key.tenant_id, role=Role.EXECUTOR) as session:
            return self._told(session, key, found(session, key, seen, clock=self._clock))

    def _refuse(self, key: AskedKey, error: CandelaError) -> str:
        with tenant_session(self._database, key.tenant_id, role=Role.EXECUTOR) as session:
            return self._told(session, key, refused(session, key, error, clock=self._clock))

    def _told(self, session: TenantSession, key: AskedKey, state: str) -> str:
        """Tell its owner of a key that was refused: they have long left the page."""
        if state == "refused":
            row = session.row(_REFUSED, {"key": key.key_id})
            reason = "" if row is None else str(row["check_reason"])
            tell_tenant(
                session,
                "key_refused",
                clock=self._clock,
                once_key=f"key:{key.key_id}:{key.asked_at.isoformat()}",
                label=key.venue if row is None else row["label"],
                venue=key.venue,
                reason=reason,
            )
        return state

    def _later(self, key: AskedKey, error: CandelaError) -> str:
        with tenant_session(self._database, key.tenant_id, role=Role.EXECUTOR) as session:
            return not_answered(session, key, error, clock=self._clock)


def _is_final(error: CandelaError) -> bool:
    """Whether asking again would not help: the venue refused, or has no such playground.

    A master key that is missing here, or a database that is away, says nothing of the key.
    """
    if error.retryable:
        return False
    return isinstance(error, BrokerError) or error.status < 500  # noqa: PLR2004 - ours to mend
