"""A venue's public calls on one event loop: paced, checked, retried, told apart when they fail."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp

from candela.errors import CandelaError
from candela.venues.classify import Action, Verdict, classify
from candela.venues.door import Call, ShapeError, open_exchange, record
from candela.venues.errors import (
    UnknownSymbol,
    VenueAnswerInvalid,
    VenueClockRefused,
    VenueRefused,
    VenueThrottled,
    VenueUnavailable,
)
from candela.venues.gateway import VenueGateway, connector
from candela.venues.limits import used_weight
from candela.venues.server_clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from candela.clock import Clock
    from candela.venues.budget import RequestBudget
    from candela.venues.retry import RetryPolicy

__all__ = ["VenueSession"]

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")
_PAD_S: Final = 0.05


class VenueSession:
    """Hold one ccxt exchange, its connections, its clock and its budget.

    Everything runs in the event loop that `open` was called in.
    """

    def __init__(
        self,
        venue: str,
        *,
        budget: RequestBudget,
        clock: Clock,
        policy: RetryPolicy,
        gateway: VenueGateway | None,
        timeout_s: float,
        budget_wait_s: float,
    ) -> None:
        self.venue = venue
        self.budget = budget
        self.policy = policy
        self.server_clock = ServerClock(venue, clock)
        self.requests = 0
        self.retries = 0
        self.waited_s = 0.0
        self._clock = clock
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._budget_wait_s = budget_wait_s
        self._http: aiohttp.ClientSession | None = None
        self._exchange: Any = None

    @property
    def exchange(self) -> Any:  # ccxt has no types that hold for every exchange
        """The ccxt exchange; its calls go through `call`."""
        return self._exchange

    @property
    def tells_time(self) -> bool:
        """Whether the venue has a call for its time."""
        return self._exchange.has.get("fetchTime") is True

    async def open(self) -> None:
        """Make the exchange and its connections; asks the venue nothing."""
        self._http = aiohttp.ClientSession(connector=connector(self._gateway), trust_env=False)
        try:
            self._exchange = open_exchange(
                self.venue, self._http, self._pace, self._clock, self._timeout_s
            )
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._exchange is not None:
            # ccxt's own close() waits a quarter of a second and has nothing of ours to close.
            self._exchange.session = None
            self._exchange = None
        if self._http is not None:
            await self._http.close()
            self._http = None
        await self.budget.close()

    async def call(
        self, what: str, ask: Callable[[], Awaitable[object]], read: Callable[[object, Call], _T]
    ) -> _T:
        """Ask, check and read; repeat what may be repeated, and raise what may not.

        Parameters
        ----------
        what
            The call in words, for the log and for errors.
        ask
            One call of ccxt; made anew for each attempt.
        read
            Turns what ccxt returned and what came over the wire into the result; raises
            `ShapeError` where that is not what the call must give.

        Raises
        ------
        VenueUnavailable, VenueAnswerInvalid, VenueThrottled, VenueClockRefused
            All attempts failed; the last failure.
        UnknownSymbol, VenueRefused
            The venue refused for good.
        BudgetExhausted
            There was no room in the request budget for too long.
        """
        failures, was_resynced = 0, False
        while True:
            with record() as call:
                try:
                    result = read(await ask(), call)
                except Exception as error:  # noqa: BLE001 - ccxt raises every kind; all are judged
                    await self._note(call)
                    verdict = self._judge(call, error)
                    failure: Exception = error
                else:
                    await self._note(call)
                    return result
            failures += 1
            if verdict.action is Action.RESYNC and not was_resynced:
                # A refused clock did nothing at the venue, so one repeat at once is safe.
                was_resynced = True
                self.server_clock.is_stale = True
                await self.measure_clock()
                continue
            if verdict.action in {Action.UNKNOWN_SYMBOL, Action.REFUSE}:
                raise self._refusal(what, verdict, failure) from failure
            wait_s = await self._wait_after(verdict, failures)
            if failures >= self.policy.attempts:
                raise self._give_up(what, verdict, failures) from failure
            _LOG.warning(
                "%s %s: attempt %d of %d failed (%s), next in %.1f s",
                self.venue,
                what,
                failures,
                self.policy.attempts,
                verdict.reason,
                wait_s,
            )
            self.retries += 1
            self.waited_s += wait_s
            await asyncio.sleep(wait_s)

    async def measure_clock(self) -> None:
        """Measure the venue's clock, by its time call or else by the date of an answer."""
        if not self.server_clock.is_stale:
            return
        if not self.tells_time:
            # Without a time call, the next answer's date is the measurement: see `_note`.
            return
        await self.call("time", self._exchange.fetch_time, self._read_time)

    def _read_time(self, value: object, call: Call) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise ShapeError(f"the time is {value!r}")
        answer = call.answers[-1]
        server = datetime.fromtimestamp(value / 1_000, UTC)
        self.server_clock.set_measured(server, answer.received_at, answer.headers.get("date"))

    async def _pace(self, pool: str, cost: float) -> None:
        limit = self.budget.limit(pool, float(self._exchange.rateLimit))
        weight = limit.weight(cost, float(self._exchange.rateLimit))
        self.waited_s += await self.budget.acquire(pool, limit, weight, self._budget_wait_s)
        self.requests += 1

    async def _note(self, call: Call) -> None:
        """Learn from what came over the wire, of answers good and bad."""
        for answer in call.answers:
            date = answer.headers.get("date")
            if not self.tells_time and self.server_clock.is_stale:
                self.server_clock.set_from_date(date, answer.received_at)
            self.server_clock.note_answer(date, answer.received_at)
        pool = str(getattr(self._exchange, "next_pool", "main"))
        limit = self.budget.limit(pool, float(self._exchange.rateLimit))
        for answer in call.answers[-1:]:
            used = used_weight(limit, answer.headers)
            if used is not None:
                # Windows of a minute end with the minute of the venue's clock.
                second = self.server_clock.now().timestamp() % limit.window_s
                await self.budget.observe(pool, used, limit.window_s - second)

    def _judge(self, call: Call, error: Exception) -> Verdict:
        if isinstance(error, CandelaError):
            raise error
        bad = [
            answer
            for answer in call.answers
            if answer.status >= HTTPStatus.BAD_REQUEST or answer.is_cut
        ]
        if bad:
            return classify(self.venue, bad[-1])
        if isinstance(error, ShapeError):
            return Verdict(Action.RETRY, str(error))
        if _is_transport(error):
            return Verdict(Action.RETRY, _transport_reason(error))
        if call.answers:
            return classify(self.venue, call.answers[-1])
        # ccxt refused before anything was sent.
        return Verdict(Action.REFUSE, f"{type(error).__name__} before anything was sent")

    async def _wait_after(self, verdict: Verdict, failures: int) -> float:
        backoff_s = self.policy.wait_s(failures)
        if verdict.action is not Action.SLOW:
            return backoff_s
        usual_s = self.policy.banned_s if verdict.is_ban else self.policy.throttled_s
        wait_s = verdict.wait_s if verdict.wait_s is not None else usual_s
        # A little longer than said: the venue's clock and ours do not tick together.
        await self.budget.block(wait_s + _PAD_S, verdict.reason)
        # The block itself is waited for in the budget, by every process; the jitter keeps them
        # from coming back in step.
        return backoff_s

    def _refusal(self, what: str, verdict: Verdict, error: Exception) -> Exception:
        if verdict.action is Action.UNKNOWN_SYMBOL:
            message = f"{self.venue} does not know the symbol of {what} ({verdict.reason})."
            return UnknownSymbol(message, "It may have been delisted; refresh the catalogue.")
        message = f"{self.venue} refused {what}: {verdict.reason}."
        if verdict.reason.startswith("HTTP 451"):
            return VenueRefused(message, "The venue does not serve this country.")
        return VenueRefused(message, f"ccxt says {type(error).__name__}.")

    def _give_up(self, what: str, verdict: Verdict, failures: int) -> Exception:
        message = (
            f"{self.venue} gave no usable answer to {what} in {failures} attempts;"
            f" the last: {verdict.reason}."
        )
        hint = "Run it again later; it goes on where it stopped."
        if verdict.action is Action.SLOW:
            return VenueThrottled(message, hint, wait_s=verdict.wait_s or 0.0)
        if verdict.action is Action.RESYNC:
            return VenueClockRefused(message, "Set this machine's clock, then run it again.")
        if verdict.reason.startswith("HTTP 5") or verdict.reason.startswith("no answer"):
            return VenueUnavailable(message, hint)
        return VenueAnswerInvalid(message, hint)


def _is_transport(error: Exception) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, aiohttp.ClientError | TimeoutError | OSError):
            return True
        seen = seen.__cause__
    return False


def _transport_reason(error: Exception) -> str:
    # The message of ccxt holds the URL with its query; the cause's name says enough.
    cause = error.__cause__ or error
    return f"no answer ({type(cause).__name__})"
