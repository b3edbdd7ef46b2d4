"""The adapter of the sandbox's fixed-payout broker: JSON over HTTP, results over a websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp

from candela.brokers.payout_port import (
    Contract,
    ContractState,
    Direction,
    Funds,
    PayoutAsset,
    PayoutEvent,
    PayoutOutcome,
    PayoutRequest,
)
from candela.brokers.port import CredentialsDead, EventKind, NoInformation
from candela.orders.words import OutcomeKind

if TYPE_CHECKING:
    from candela.brokers.keys import VenueKey
    from candela.clock import Clock

__all__ = ["RehearsalPayoutBroker", "RehearsalRefused"]

_TIMEOUT_S: Final = 8.0
_FENCE_S: Final = 12.0
"""The time-out of a purchase, and the lag of the lists."""
_SETTLE_S: Final = 10.0
_LONGEST: Final = timedelta(hours=1, minutes=1)
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STATES: Final = {
    "open": ContractState.OPEN,
    "win": ContractState.WON,
    "loss": ContractState.LOST,
    "equal": ContractState.TIED,
}


class RehearsalPayoutBroker:
    """One account at the sandbox's broker. It takes durations, and no ids of its clients.

    Parameters
    ----------
    url
        Of its REST side.
    assets
        Its names by ours, where they differ.
    """

    def __init__(
        self, url: str, key: VenueKey, clock: Clock, assets: Mapping[str, str] | None = None
    ) -> None:
        self._url = url
        self._key = key
        self._clock = clock
        self._theirs = dict(assets or {})
        self._ours = {theirs: ours for ours, theirs in self._theirs.items()}
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._offset = timedelta()

    @property
    def venue(self) -> str:
        """Id of the broker."""
        return "rehearsal"

    @property
    def keeps_request_ids(self) -> bool:
        """Whether contracts can be found by our own id: no."""
        return False

    @property
    def fence_s(self) -> float:
        """Seconds after the start of a purchase after which it can no longer appear unseen."""
        return _FENCE_S

    @property
    def settle_s(self) -> float:
        """Seconds after an expiry by which its result is due."""
        return _SETTLE_S

    async def login(self) -> None:
        """Begin a session, and compare the clocks."""
        if not self._token:
            words = {"key": self._key.reveal_key(), "secret": self._key.reveal_secret()}
            told = _object(await self._ask("POST", "login", words))
            self._token = str(told.get("token", ""))
            await self.balance()

    async def assets(self) -> Mapping[str, PayoutAsset]:
        """Return what can be bought now, by our names."""
        rows = _objects(await self._known("assets"))
        with _reading():
            return {
                self._named(str(row["asset"])): PayoutAsset(
                    name=self._named(str(row["asset"])),
                    is_open=bool(row["is_open"]),
                    payout=Decimal(row["payout_ratio"]),
                    minimum_stake=Decimal(row["least_stake"]),
                    maximum_stake=Decimal(row["most_stake"]),
                )
                for row in rows
            }

    async def buy(self, request: PayoutRequest) -> PayoutOutcome:
        """Buy one contract of the duration nearest to the slot, once."""
        try:
            lasts_s = await self._planned(request)
        except CredentialsDead as error:
            return PayoutOutcome(OutcomeKind.CREDENTIALS_DEAD, error.message)
        except RehearsalRefused as refused:
            return refused.outcome()
        except NoInformation as error:
            # Nothing was sent yet.
            return PayoutOutcome(OutcomeKind.THROTTLED, error.message, wait_s=1.0)
        asked = {
            "asset": self._theirs.get(request.asset, request.asset),
            "direction": request.direction.value,
            "stake": format(request.stake, "f"),
            "expiry_s": lasts_s,
        }
        try:
            contract = self._contract(_object(await self._ask("POST", "open", asked)))
        except RehearsalRefused as refused:
            return refused.outcome()
        except NoInformation as error:
            return PayoutOutcome(OutcomeKind.UNKNOWN, error.message)
        return PayoutOutcome(OutcomeKind.ACCEPTED, contract=contract)

    async def result(self, contract_id: str) -> Contract | None:
        """Return a contract, or None where the broker says that it does not know it."""
        found = await self._statement(0)
        return next((one for one in found if one.contract_id == contract_id), None)

    async def open_contracts(self) -> tuple[Contract, ...]:
        """Return every open contract of the account."""
        rows = _objects(await self._known("positions"))
        return tuple(self._contract(row) for row in rows)

    async def statement(self, since: datetime) -> tuple[Contract, ...]:
        """Return all contracts settled since an instant, oldest first."""
        theirs = since - _LONGEST + self._offset
        found = await self._statement(max(round(theirs.timestamp() * 1_000), 0))
        settled = [one for one in found if one.settled_at is not None and one.settled_at >= since]
        return tuple(sorted(settled, key=lambda one: (one.expires_at, one.contract_id)))

    async def balance(self) -> Funds:
        """Return what may be staked."""
        told = _object(await self._known("balance"))
        with _reading():
            at = _instant(told["now_ms"])
            self._offset = at - self._clock.now()
            return Funds("USDT", Decimal(told["balance"]))

    async def events(self) -> AsyncIterator[PayoutEvent]:
        """Yield results for ever, reconnecting by itself."""
        failures = 0
        while True:
            try:
                await self.login()
                async with self._open().ws_connect(f"{self._url}/stream", heartbeat=10) as socket:
                    await socket.send_json({"id": 0, "op": "login", "token": self._token})
                    yield PayoutEvent(EventKind.CONNECTED)
                    failures = 0
                    async for message in socket:
                        if message.type is not aiohttp.WSMsgType.TEXT:
                            continue
                        told = _object(_decoded(cast("str", message.data)))
                        if told.get("push") == "result":
                            contract = self._contract(_object(told.get("position")))
                            yield PayoutEvent(EventKind.ORDER, contract)
            except (aiohttp.ClientError, OSError, NoInformation):
                failures += 1
            yield PayoutEvent(EventKind.LOST)
            await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # --- inside -----------------------------------------------------------------------------------

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_S))
        return self._session

    async def _known(self, op: str, params: Mapping[str, str] | None = None) -> object:
        if op != "balance" or not self._token:
            await self.login()
        return await self._ask("GET", op, params=params)

    async def _ask(
        self,
        method: str,
        op: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> object:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with self._open().request(
                method, f"{self._url}/{op}", json=body, params=params, headers=headers
            ) as reply:
                told = _object(_decoded(await reply.text()))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            words = f"{op}: no answer ({type(error).__name__})"
            raise NoInformation(words, "It is asked again.") from None
        if told.get("ok") is True and "result" in told:
            return told["result"]
        error = _object(told.get("error"))
        code = str(error.get("code", ""))
        if code == "bad_login":
            raise CredentialsDead(f"{op}: {code}", "Give the account a key that the broker knows.")
        if code == "not_logged_in":
            # The session is over: the next call begins another.
            self._token = ""
        if told.get("ok") is False and code:
            raise RehearsalRefused(code, f"{code}: {error.get('message', '')}")
        raise NoInformation(f"{op}: an answer that says nothing", "It is asked again.")

    async def _planned(self, request: PayoutRequest) -> int:
        """Return the offered duration that ends nearest to the slot."""
        rows = _objects(await self._known("assets"))
        name = self._theirs.get(request.asset, request.asset)
        row = next((row for row in rows if row.get("asset") == name), None)
        if row is None or not row.get("is_open"):
            raise RehearsalRefused("closed", f"closed: {request.asset} is not offered now")
        with _reading():
            payout = Decimal(row["payout_ratio"])
            offered = [int(one) for one in row["expiries_s"]]
        if payout < request.smallest_payout:
            raise RehearsalRefused(
                "payout", f"payout: {payout}, less than {request.smallest_payout}"
            )
        left_s = (request.expires_at - self._clock.now()).total_seconds()
        nearest = min(offered, key=lambda one: abs(one - left_s), default=0)
        if left_s <= 0 or abs(nearest - left_s) > nearest / 4:
            raise RehearsalRefused(
                "late", f"late: no duration ends at {request.expires_at:%H:%M:%S}"
            )
        return nearest

    async def _statement(self, since_ms: int) -> list[Contract]:
        rows = _objects(await self._known("statement", {"since_ms": str(since_ms)}))
        return [self._contract(row) for row in rows]

    def _contract(self, row: Mapping[str, Any]) -> Contract:
        with _reading():
            state = _STATES[row["result"]]
            expires_at = _instant(row["expires_ms"]) - self._offset
            return Contract(
                contract_id=str(row["number"]),
                request_id=None,
                asset=self._named(str(row["asset"])),
                direction=Direction(row["direction"]),
                stake=Decimal(row["stake"]),
                payout=Decimal(row["ratio"]),
                opened_at=_instant(row["opened_ms"]) - self._offset,
                expires_at=expires_at,
                entry_price=Decimal(row["strike"]),
                state=state,
                exit_price=None if row["close"] is None else Decimal(row["close"]),
                returned=Decimal(row["paid"]) if state.is_final else None,
                settled_at=expires_at if state.is_final else None,
            )

    def _named(self, theirs: str) -> str:
        return self._ours.get(theirs, theirs)


class RehearsalRefused(NoInformation):
    """The broker said no, and why; nothing happened."""

    code = "rehearsal_refused"

    def __init__(self, said: str, message: str) -> None:
        super().__init__(message)
        self.said = said

    def outcome(self) -> PayoutOutcome:
        """Return it as the answer to a purchase: proved that nothing was bought."""
        is_over = self.said == "not_logged_in"
        kind = OutcomeKind.THROTTLED if is_over else OutcomeKind.REFUSED
        return PayoutOutcome(kind, self.message, self.said)


class _reading:  # noqa: N801 - used as a statement
    """Turn what cannot be read of an answer into no information."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None and issubclass(
            kind, KeyError | ValueError | TypeError | InvalidOperation
        ):
            message = f"an answer that cannot be read ({kind.__name__})"
            raise NoInformation(message, "It is asked again.") from None


def _instant(value: object) -> datetime:
    return datetime.fromtimestamp(int(str(value)) / 1_000, UTC)


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise NoInformation("an answer that is no JSON", "It is asked again.") from None


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise NoInformation("an answer that is no list", "It is asked again.")
    return [_object(one) for one in cast("list[object]", value)]
