"""The command that fetches candles from a venue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candela.commands.instants import SinceOption, UntilOption, instant
from candela.commands.output import JsonFlag, Output

if TYPE_CHECKING:
    from candela.candles.fetching import FetchProgress, FetchReport

__all__ = ["fetch"]


def fetch(
    exchange: Annotated[str, typer.Argument(help="ccxt id of the venue, such as kraken.")],
    symbol: Annotated[str, typer.Argument(help="Such as BTC/USD.")],
    timeframe: Annotated[str, typer.Argument(help="Such as 1m; one that the venue offers.")],
    since: SinceOption = None,
    until: UntilOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask again for what was answered before.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fetch the closed candles of a span and store them, page by page.

    Ctrl-C stops after the page under way; the same command goes on from there.
    """
    from candela.candles.fetching import fetch_candles
    from candela.candles.rollups import refresh_rollups
    from candela.candles.store import CandleStore
    from candela.clock import SystemClock
    from candela.commands.places import open_command, pipelines_connection
    from candela.commands.stopping import stop_on_signal
    from candela.errors import DataError
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from candela.venues.opening import open_venue

    output = Output(as_json=as_json)
    instrument, length = Instrument(exchange.lower(), symbol), Timeframe.parse(timeframe)
    start, end = instant(since), instant(until)
    if start is None:
        message = "From when on?"
        raise DataError(message, "Give --since, such as --since 2024-01-01.")
    settings, places = open_command(output)
    clock = SystemClock()
    with (
        stop_on_signal() as should_stop,
        pipelines_connection(places) as connection,
        open_venue(
            instrument.venue,
            redis_url=places.redis_url,
            clock=clock,
            timeout_s=settings.venue_timeout_s,
            share=settings.venue_share_ratio,
            gateway=settings.venue_gateway,
            gateway_ca=settings.venue_gateway_ca,
        ) as client,
        output.progress(f"{instrument} {length}") as update,
    ):

        def show(done: FetchProgress) -> None:
            update(done.share, done.rows)

        report = fetch_candles(
            CandleStore(connection, clock),
            client,
            instrument,
            length,
            start,
            end,
            connection=connection,
            clock=clock,
            progress=show,
            should_stop=should_stop,
            again=again,
        )
    refresh_rollups(places.database)
    output.result(_as_dict(report), _describe(report))
    if report.is_stopped:
        raise typer.Exit(130)
    if report.refused:
        raise typer.Exit(1)


def _as_dict(report: FetchReport) -> dict[str, object]:
    return {
        "instrument": str(report.instrument),
        "timeframe": str(report.timeframe),
        "since": report.since,
        "until": report.until,
        "done_to": report.done_to,
        "pages": report.pages,
        "requests": report.requests,
        "retries": report.retries,
        "waited_s": round(report.waited_s, 3),
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "refused": report.refused,
        "flagged": report.flagged,
        "gaps": report.gaps_new,
        "withheld": report.withheld,
        "checks": dict(report.checks),
        "is_stopped": report.is_stopped,
    }


def _describe(report: FetchReport) -> str:
    lines = [
        (
            f"{report.instrument} {report.timeframe}: {report.new:,} new, {report.changed:,}"
            f" changed, {report.unchanged:,} unchanged, {report.refused:,} refused,"
            f" {report.flagged:,} flagged, {report.gaps_new:,} gaps"
        ),
        (
            f"{report.pages:,} pages, {report.requests:,} requests, {report.retries:,} repeats,"
            f" {report.waited_s:.1f} s waited for the venue's limits"
        ),
    ]
    if report.withheld:
        first, last = report.withheld[0][0], report.withheld[-1][1]
        lines.append(f"The venue withheld candles between {first:%Y-%m-%d} and {last:%Y-%m-%d}.")
    if report.is_stopped:
        lines.append(f"Stopped at {report.done_to:%Y-%m-%d %H:%M} UTC; run again to go on.")
    return "\n".join(lines)
