"""Market data as far back as a plan shows it: closed candles, instruments, venues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.market.errors import EmptySpan
from api.market.repository import candles, chosen, covered_to, quality, symbols, venues
from api.market.schemas import CandleSpan, Quality, Symbol, SymbolPage, Venue, VenueList
from candela.desk.users import subscription_of
from candela.market.instrument import Instrument
from candela.market.timeframe import Timeframe
from candela.plans import PlanLimitReached, plan_named

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["all_venues", "candle_span", "history_from", "quality_of", "symbol_page"]

_EPOCH: Final = datetime(1971, 1, 1, tzinfo=UTC)


def history_from(session: TenantSession, now: datetime) -> datetime | None:
    """Return the instant before which the tenant's plan shows nothing; None: it shows all."""
    plan = plan_named(subscription_of(session).plan)
    return None if plan.history_days is None else now - timedelta(days=plan.history_days)


def candle_span(
    session: TenantSession,
    instrument: str,
    timeframe: str,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    now: datetime,
) -> CandleSpan:
    """Return closed candles: the first of a span, or the last where it has no beginning.

    Raises
    ------
    EmptySpan
        It ends before it begins.
    PlanLimitReached
        It lies before what the plan shows.
    NoSuchInstrument, NoSuchSeries
        Nothing stored answers.
    """
    length = Timeframe.parse(timeframe)
    if since is not None and until is not None and since >= until:
        message = f"The span from {since.isoformat()} to {until.isoformat()} is empty."
        raise EmptySpan(message, "from must be before to.")
    found = chosen(session, Instrument.parse(instrument), length)
    first = history_from(session, now)
    ends = length.floor(min(now, until or now, covered_to(session, found) or now))
    if first is not None and until is not None and until <= first:
        plan = subscription_of(session).plan
        message = f"The plan {plan} shows candles since {first.isoformat()}."
        raise PlanLimitReached(message, "Ask for later ones, or take a larger plan.")
    begins = _before(length, ends, limit) if since is None else _ceiling(length, since)
    if first is not None:
        begins = max(begins, _ceiling(length, first))
    rest = max(timedelta(0), ends - begins)
    part = begins + min(rest, limit * length.delta)
    rows = candles(session, found, begins, part) if begins < part else []
    return CandleSpan.model_validate(
        {
            "instrument": str(found.series.instrument),
            "timeframe": str(length),
            "candles": rows,
            "history_from": first,
            "next_from": part if part < ends else None,
        }
    )


def _before(length: Timeframe, ends: datetime, limit: int) -> datetime:
    # A span of years as candles may begin before there was time.
    return ends - min(limit * length.delta, length.floor(ends) - length.floor(_EPOCH))


def _ceiling(length: Timeframe, at: datetime) -> datetime:
    start = length.floor(at)
    return start if start == at else start + length.delta


def symbol_page(session: TenantSession, asked: dict[str, Any], limit: int) -> SymbolPage:
    """Return instruments by name; the cursor is the last one's."""
    cursor = asked.pop("cursor")
    behind = None if cursor is None else Instrument.parse(cursor)
    rows = symbols(
        session,
        {
            **asked,
            "venue_behind": behind and behind.venue,
            "symbol_behind": behind and behind.symbol,
            "limit": limit + 1,
        },
    )
    items = [
        Symbol.model_validate({**row, "timeframes": [str(Timeframe(s)) for s in row["stored"]]})
        for row in rows[:limit]
    ]
    more = len(rows) > limit
    return SymbolPage(items=items, next_cursor=items[-1].instrument if more else None)


def all_venues(session: TenantSession) -> VenueList:
    """Return all venues that are known."""
    return VenueList(items=[Venue.model_validate(row) for row in venues(session)])


def quality_of(session: TenantSession, instrument: str) -> list[Quality]:
    """Return what became of the rows of each series of an instrument."""
    return [
        Quality.model_validate({**row, "timeframe": str(Timeframe(row["timeframe_s"]))})
        for row in quality(session, Instrument.parse(instrument))
    ]
