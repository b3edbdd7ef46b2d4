"""Market data: GET /market/candles, /market/symbols, /market/venues and /market/quality."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Reader, State
from api.kit.fields import Instant, InstrumentName, Label, TimeframeName
from api.kit.problems import problems
from api.market import service
from api.market.schemas import CandleSpan, Quality, SymbolPage, VenueList

__all__ = ["router"]

router = APIRouter(prefix="/market", tags=["market"])


@router.get("/candles", responses=problems(403, 404))
def list_candles(
    state: State,
    caller: Reader,
    instrument: Annotated[InstrumentName, Query()],
    timeframe: Annotated[TimeframeName, Query()],
    since: Annotated[Instant | None, Query(alias="from", description="first start")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="starts are before it")] = None,
    limit: Annotated[int, Query(ge=1, le=5_000, description="most candles of the answer")] = 1_000,
) -> CandleSpan:
    """List closed candles, oldest first, as far back as the plan shows them.

    Without from, the last ones before to.
    """
    with state.act(caller) as session:
        return service.candle_span(
            session,
            instrument,
            timeframe,
            since=since,
            until=until,
            limit=limit,
            now=state.clock.now(),
        )


@router.get("/symbols", responses=problems())
def list_symbols(
    state: State,
    caller: Reader,
    venue: Annotated[Label | None, Query(examples=["binance"])] = None,
    quote: Annotated[Label | None, Query(description="quote currency")] = None,
    active: Annotated[bool | None, Query(description="whether the venue lists it")] = None,
    search: Annotated[Label | None, Query(description="part of the symbol")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="most rows of the page")] = 200,
    cursor: Annotated[
        InstrumentName | None, Query(description="next_cursor of the page before")
    ] = None,
) -> SymbolPage:
    """List the instruments of venues, by name."""
    asked = {
        "venue": venue,
        "quote": quote,
        "active": active,
        "search": search,
        "cursor": cursor,
    }
    with state.act(caller) as session:
        return service.symbol_page(session, asked, limit)


@router.get("/venues", responses=problems())
def list_venues(state: State, caller: Reader) -> VenueList:
    """List the venues that are known."""
    with state.act(caller) as session:
        return service.all_venues(session)


@router.get("/quality", responses=problems())
def show_quality(
    state: State, caller: Reader, instrument: Annotated[InstrumentName, Query()]
) -> list[Quality]:
    """Show which rows of an instrument's series were refused or flagged, and what is absent."""
    with state.act(caller) as session:
        return service.quality_of(session, instrument)
