"""One account's requests: what is sent once, what may be asked again, and what each proved."""

from __future__ import annotations

import asyncio
import binascii
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp

from candela.brokers.codes.ruling import Ruling, Sense, content_of, judge
from candela.brokers.house import QUESTION_WAIT_S
from candela.brokers.port import CredentialsDead, NoInformation, NoRoom
from candela.brokers.sending import SENDING, URGENT, Send
from candela.errors import VaultError
from candela.orders.fence import SEND_WITHIN_S
from candela.orders.words import Outcome, OutcomeKind
from candela.venues.door import ShapeError, record
from candela.venues.errors import BudgetExhausted
from candela.venues.local_budget import LocalBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from candela.brokers.house import VenueHouse
    from candela.brokers.keys import VenueKey
    from candela.venues.classify import Answer
    from candela.venues.limits import VenueLimit

__all__ = ["Reply", "Wire", "throttled"]

_T = TypeVar("_T")
_QUESTIONS: Final = 2
_OWN_SHARE: Final = 0.9
_BETWEEN_S: Final = 0.2
_OFFLINE_S: Final = 2.0
_NO_ROOM: Final = "budget"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request brought.

    Parameters
    ----------
    content
        The decoded body, for ACCEPTED.
    value
        What ccxt made of it, for ACCEPTED.
    """

    ruling: Ruling
    content: Any = None
    value: Any = None

    def outcome(self) -> Outcome:
        """Return it as the outcome of a submission or cancellation that was not accepted."""
        ruling = self.ruling
        reason = f"{ruling.code} {ruling.words}".strip()
        return Outcome(ruling.kind, reason, ruling.code, ruling.wait_s)


class Wire:
    """The requests of one account at a venue.

    Parameters
    ----------
    own_limit
        What the venue allows the key, where it counts by key and not by address.
    one_at_a_time
        Whether the venue wants rising nonces, so that no two requests may be on their way.
    rule
        Judges an answer, and what ccxt raised, where there is no table of the venue's codes.
    """

    def __init__(
        self,
        house: VenueHouse,
        keys: VenueKey,
        heard: Callable[[object], bool],
        *,
        own_limit: VenueLimit | None = None,
        one_at_a_time: bool = False,
        rule: Callable[[Answer, BaseException | None], Ruling] | None = None,
    ) -> None:
        self.house = house
        self._rule = rule or self._by_code
        self._keys = keys
        self._own_limit = own_limit
        # A key is used in one process only, so that the whole of its limit is this one's.
        self._own = LocalBudget(own_limit, _OWN_SHARE) if own_limit is not None else None
        self._turn = asyncio.Lock() if one_at_a_time else None
        self.exchange = house.account(keys, self._pace, heard)

    async def send(self, method: str, *args: Any) -> Reply:
        """Send an order or a cancellation: once, or twice where a refused clock proved the first.

        Never raises for what a venue or network does.

        Parameters
        ----------
        method
            Of ccxt; with its arguments.
        """
        with self.sending() as send:
            try:
                async with asyncio.timeout_at(send.by):
                    await self.house.ready(self.exchange)
            except TimeoutError:
                return throttled("offline", "nothing was sent: the venue is not ready")
            except NoInformation as error:
                return throttled("offline", f"nothing was sent: {error.message}")
            reply = await self._once(method, args)
            if reply.ruling.sense is not Sense.CLOCK:
                return reply
            if await self._resynced(send.by):
                return await self._once(method, args)
            # The venue has nothing against the order: a stall made it late. It may come anew.
            return throttled(reply.ruling.code, f"nothing happened: {reply.ruling.words}", 0.0)

    @contextlib.contextmanager
    def sending(self, send_by: datetime | None = None) -> Generator[Send]:
        """Begin a send: what is not signed soon enough in the block is not sent at all.

        A block within a block keeps the outer's.

        Parameters
        ----------
        send_by
            Until when, where that is not as long as any send may take.
        """
        left_s = SEND_WITHIN_S
        if send_by is not None:
            left_s = min(left_s, (send_by - self.house.clock.now()).total_seconds())
        send = SENDING.get() or Send(asyncio.get_running_loop().time() + left_s)
        token = SENDING.set(send)
        try:
            yield send
        finally:
            SENDING.reset(token)

    async def ask(
        self,
        what: str,
        read: Callable[[Any], _T],
        method: str,
        *args: Any,
        missing: Callable[[], _T] | None = None,
        reads_value: bool = False,
    ) -> _T:
        """Ask, check and read; a question may be repeated.

        Parameters
        ----------
        what
            The question in words.
        read
            Turns the decoded body into the result; raises `ShapeError` where it cannot.
        missing
            Gives the result where the venue says that it does not know the order.
        reads_value
            Whether what ccxt made of the answer is read, and not the answer.

        Raises
        ------
        NoInformation
            No usable answer came.
        CredentialsDead
            The venue refuses the key.
        """
        token = SENDING.set(None)
        try:
            return await self._ask(what, read, method, args, missing, reads_value)
        finally:
            SENDING.reset(token)

    async def _ask(
        self,
        what: str,
        read: Callable[[Any], _T],
        method: str,
        args: tuple[Any, ...],
        missing: Callable[[], _T] | None,
        reads_value: bool,  # noqa: FBT001 - handed on
    ) -> _T:
        await self.house.ready(self.exchange)
        reason, wait_s = "", 0.0
        for attempt in range(_QUESTIONS):
            if attempt:
                await asyncio.sleep(_BETWEEN_S)
            reply = await self._once(method, args)
            ruling, content = reply.ruling, reply.content
            if ruling.kind is OutcomeKind.ACCEPTED:
                try:
                    return read(reply.value if reads_value else content)
                except (ShapeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
                    shape = str(error) if isinstance(error, ShapeError) else type(error).__name__
                    reason = f"the answer has an unexpected shape ({shape})"
                    continue
            reason, wait_s = f"{ruling.code} {ruling.words}".strip(), ruling.wait_s
            if missing is not None and ruling.sense is Sense.MISSING:
                return missing()
            if ruling.kind is OutcomeKind.CREDENTIALS_DEAD:
                message = f"{self.house.venue} refuses the key: {reason.rstrip('.')}."
                raise CredentialsDead(message, "Check the key, its rights and its addresses there.")
            if ruling.sense is Sense.CLOCK:
                await self.house.measure_clock()
            elif ruling.code == _NO_ROOM:
                raise NoRoom(f"{what}: {reason}.", "It is asked again later.", wait_s=wait_s)
            elif ruling.kind in {OutcomeKind.THROTTLED, OutcomeKind.REFUSED}:
                break
        message = f"{self.house.venue} gave no usable answer to {what}: {reason}."
        raise NoInformation(message, "It is asked again later.", wait_s=wait_s)

    async def close(self) -> None:
        """Let go of the streams; the connections are the house's."""
        if self.exchange.clients:
            await self.exchange.close_ws_clients()
        self.exchange.session = None

    def cleaned(self, text: str) -> str:
        """Return a text of the venue without any part of the key."""
        return self._keys.redacted(text)

    async def _once(self, method: str, args: tuple[Any, ...]) -> Reply:
        if self._turn is None:
            return await self._wired(method, args)
        async with self._turn:
            return await self._wired(method, args)

    async def _wired(self, method: str, args: tuple[Any, ...]) -> Reply:
        failure: BaseException | None = None
        value: Any = None
        with record() as call:
            try:
                value = await getattr(self.exchange, method)(*args)
            except BudgetExhausted as error:
                wait_s = max(await self.house.blocked_s(), 1.0)
                return throttled(_NO_ROOM, f"nothing was sent: {error.message}", wait_s)
            except Exception as error:  # noqa: BLE001 - ccxt raises every kind; the wire decides
                failure = error
        if call.answers and (failure is None or len(call.answers) == call.sent):
            return await self._judged(call.answers[-1], failure, value)
        return self._unanswered(failure, call.sent)

    async def _judged(self, answer: Answer, failure: BaseException | None, value: Any) -> Reply:
        ruling = self._rule(answer, failure)
        await self.house.take_in(answer, ruling)
        if ruling.kind is OutcomeKind.ACCEPTED:
            return Reply(ruling, content_of(answer), value)
        # Some venues quote what they were sent.
        words = self.cleaned(ruling.words)
        return Reply(
            Ruling(
                ruling.kind,
                ruling.code,
                words,
                ruling.wait_s,
                ruling.sense,
                is_for_address=ruling.is_for_address,
            )
        )

    def _by_code(self, answer: Answer, failure: BaseException | None) -> Ruling:
        del failure  # the class that ccxt chose says nothing
        return judge(self.house.codes, answer)

    def _unanswered(self, failure: BaseException | None, sent: int) -> Reply:
        if not sent:
            # Refused by the client library, or a key that cannot sign.
            is_key = isinstance(failure, VaultError | binascii.Error)
            kind = OutcomeKind.CREDENTIALS_DEAD if is_key else OutcomeKind.REFUSED
            words = f"nothing was sent ({type(failure).__name__})"
            return Reply(Ruling(kind, "local", words))
        cause = _cause(failure)
        if isinstance(cause, aiohttp.ClientConnectorError):
            # No connection was made, so that no byte of the request left.
            return throttled("offline", "nothing was sent: no connection")
        if cause is None:
            name = type(failure).__name__ if failure is not None else "nothing"
            return Reply(Ruling(OutcomeKind.UNKNOWN, "", f"no answer ({name})"))
        return Reply(Ruling(OutcomeKind.UNKNOWN, "", f"no answer ({type(cause).__name__})"))

    async def _pace(self, pool: str, cost: float) -> None:
        send = SENDING.get()
        loop = asyncio.get_running_loop()
        wait_s = QUESTION_WAIT_S if send is None else max(0.0, send.by - loop.time())
        if self._own is None or self._own_limit is None:
            is_first = send is not None or URGENT.get()
            await self.house.spend(pool, cost, is_send=is_first, timeout_s=wait_s)
        else:
            weight = self._own_limit.weight(cost, float(self.exchange.rateLimit))
            due_s = self._own.reserve(weight, await self.house.blocked_s(), wait_s)
            if due_s is None:
                message = f"The key has no room for a request within {wait_s:.0f} s."
                raise BudgetExhausted(message, "It may be tried again.")
            await asyncio.sleep(due_s)
        if send is None:
            return
        # Taken before the question whether there is time left: see `SigningClock`.
        send.signed_at = self.house.clock.now()
        if loop.time() > send.by:
            send.signed_at = None
            message = "The send came too late to be signed."
            raise BudgetExhausted(message, "It may be tried again.")

    async def _resynced(self, by: float) -> bool:
        left_s = by - asyncio.get_running_loop().time()
        if left_s <= 0:
            return False
        token = SENDING.set(None)
        try:
            await asyncio.wait_for(self.house.measure_clock(), left_s)
        except (NoInformation, TimeoutError):
            return False
        finally:
            SENDING.reset(token)
        return True


def throttled(code: str, words: str, wait_s: float = _OFFLINE_S) -> Reply:
    """Return the reply of a request that never left."""
    return Reply(Ruling(OutcomeKind.THROTTLED, code, words, wait_s))


def _cause(error: BaseException | None) -> BaseException | None:
    """Return what the network did, of an exception of ccxt; its own text holds the signed URL."""
    seen = error
    while seen is not None:
        if isinstance(seen, aiohttp.ClientError | TimeoutError | OSError):
            return seen
        seen = seen.__cause__
    return None
