"""The commands `candela sandbox` and `candela sandbox fault|status`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from candela.commands.output import JsonFlag, Output, table
from sandbox.stripe.commands import app as stripe_app

if TYPE_CHECKING:
    from candela.settings import Settings
    from sandbox.mail.server import SandboxMail
    from sandbox.payout.broker import PayoutBroker
    from sandbox.remote import Remote
    from sandbox.stripe.double import StripeDouble
    from sandbox.venue import SandboxVenue

__all__ = ["app"]

app = typer.Typer(
    help="A venue on this machine, on real candles, to rehearse trading and outages with."
)
app.add_typer(stripe_app, name="stripe")

_ACCOUNT: Final = "rehearsal"
_WAIT_S: Final = 0.1
_STREAMS: Final = {
    "disconnect": "tear every websocket down",
    "shutdown": "announce serverShutdown, then end every websocket",
    "expire": "end user data streams with eventStreamTerminated",
    "forget": "user data streams fall silent, pings go on",
}
_OTHERS: Final = {
    "halt": "a symbol is in BREAK, for --for seconds or until resume",
    "resume": "the symbol trades again",
    "skew": "the time that the venue tells is --seconds off",
}
_SYMBOLS: Final = {"halt": "BREAK", "resume": "TRADING"}


def _settings() -> Settings:
    from candela.settings import load_settings

    return load_settings()


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", "-s", help="A pair, such as BTC/USDT; repeat.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="PAIR=FILE: candles of a CSV or Parquet file; repeat."),
    ] = None,
    stored: Annotated[
        list[str] | None,
        typer.Option("--stored", help="PAIR=venue:SYMBOL: stored 1m candles; repeat."),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=10_000, help="60: a minute a second.")
    ] = 1.0,
    start: Annotated[
        str | None, typer.Option("--start", help="The venue's time at the start, ISO 8601, UTC.")
    ] = None,
    history: Annotated[
        int | None, typer.Option("--history", min=0, help="Minutes of candles before the start.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 0,
    control_port: Annotated[
        int, typer.Option("--control-port", min=0, max=65535, help="0: a free one.")
    ] = 0,
    balance: Annotated[
        list[str] | None, typer.Option("--balance", "-b", help="ASSET=AMOUNT; repeat.")
    ] = None,
    fee_bps: Annotated[
        float, typer.Option("--fee-bps", min=0, max=1_000, help="Hundredths of a percent.")
    ] = 10.0,
    pieces: Annotated[
        int, typer.Option("--pieces", min=1, max=7, help="Fills come in up to so many pieces.")
    ] = 1,
    listed: Annotated[
        int, typer.Option("--listed", min=0, max=9_999, help="Made-up symbols listed beside.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of pieces and of random faults.")] = 0,
    fault_rate: Annotated[
        float, typer.Option("--fault-rate", min=0, max=1, help="Share of orders that go wrong.")
    ] = 0.0,
    faults: Annotated[
        Path | None, typer.Option("--faults", help="JSON file with a list of faults.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Folder for ledger and certificates, to go on after a kill."),
    ] = None,
    payout: Annotated[
        bool, typer.Option("--payout", help="Run a fixed-payout broker on the same prices too.")
    ] = False,
    mail_port: Annotated[
        int, typer.Option("--mail-port", min=0, max=65535, help="Of the mail server; 0: free.")
    ] = 0,
    stripe_port: Annotated[
        int, typer.Option("--stripe-port", min=0, max=65535, help="Of Stripe's stand-in; 0: free.")
    ] = 0,
    stripe_webhook: Annotated[
        str, typer.Option("--stripe-webhook", help="Where its events go.")
    ] = "http://127.0.0.1:8000/api/v1/webhooks/stripe",
    as_json: JsonFlag = False,
) -> None:
    """Run the venue until Ctrl-C; print where it is, and a ready-made key."""
    if context.invoked_subcommand is not None:
        return
    from contextlib import nullcontext
    from decimal import Decimal

    from candela.commands.stopping import stop_on_signal
    from sandbox.mail.server import SandboxMail
    from sandbox.options import read_balances, read_faults, read_start, replayed
    from sandbox.payout.broker import PayoutBroker
    from sandbox.stripe.double import StripeDouble
    from sandbox.venue import SandboxVenue

    output = Output(as_json=as_json)
    settings = _settings()
    pairs = symbol or ([] if file or stored else ["BTC/USDT"])
    series = replayed(file or [], _stored(output, stored) if stored else {})
    planned = read_faults(faults)
    venue = SandboxVenue(
        pairs,
        series=series,
        speed=speed,
        start=read_start(start),
        history=history,
        folder=keep,
        keeps_ledger=keep is not None,
        port=port,
        control_port=control_port,
        seed=seed,
        pieces=pieces,
        listed=listed,
        fee_bps=Decimal(str(fee_bps)),
    )
    opening = read_balances(balance or [], [*pairs, *series])
    with stop_on_signal() as is_asked, venue, SandboxMail(port=mail_port) as mail:
        venue.script(planned, seed=seed, rate_ratio=fault_rate)
        with (
            PayoutBroker(venue) if payout else nullcontext() as broker,
            StripeDouble(port=stripe_port) as double,
        ):
            double.deliver_to(stripe_webhook)
            _announce(output, settings, venue, opening, broker, mail, double)
            _wait(settings, is_asked)
    output.note("Stopped.")


def _wait(settings: Settings, is_asked: Any) -> None:
    import os
    import time

    from sandbox.statefile import remove_state

    try:
        while not is_asked():
            time.sleep(_WAIT_S)
    finally:
        remove_state(settings.state_dir, os.getpid())


def _announce(
    output: Output,
    settings: Settings,
    venue: SandboxVenue,
    opening: dict[str, Any],
    broker: PayoutBroker | None,
    mail: SandboxMail,
    double: StripeDouble,
) -> None:
    import os
    import sys

    from sandbox.statefile import Running, write_state

    key, secret = venue.find_account(_ACCOUNT) or venue.add_account(opening, name=_ACCOUNT)
    gateway = venue.gateway
    running = Running(
        gateway=f"{gateway.address}:{gateway.port}",
        authority=str(gateway.certificate_authority),
        control_url=venue.control_url,
        key=key,
        secret=secret,
        account=_ACCOUNT,
        symbols=venue.pairs()[:20],
        speed=venue.clock.speed,
        pid=os.getpid(),
        payout_url=broker.url if broker else None,
        payout_login=broker.add_customer("1000") if broker else None,
        smtp_url=mail.smtp_url,
        mail_url=mail.url,
        stripe_url=double.url,
        stripe_key=double.key,
        stripe_webhook_secret=double.webhook_secret,
    )
    path = write_state(settings.state_dir, running)
    lines = (
        f"The sandbox stands in for binance at {running.speed:g} times the pace, with",
        f"{', '.join(running.symbols)}.\n",
        f"  export CANDELA_VENUE_GATEWAY={running.gateway}",
        f"  export CANDELA_VENUE_GATEWAY_CA={running.authority}",
        f"  export CANDELA_SMTP_URL={running.smtp_url}",
        f"  export CANDELA_STRIPE_URL={running.stripe_url}",
        f"  export CANDELA_STRIPE_KEY={running.stripe_key}",
        f"  export CANDELA_STRIPE_WEBHOOK_SECRET={running.stripe_webhook_secret}\n",
        f"  key     {running.key}",
        f"  secret  {running.secret}",
        f"  control {running.control_url}/control/state",
        f"  mails   {running.mail_url}",
        f"  state   {path}",
        f"  payout  {running.payout_url}, login in the state file\n" if broker else "",
        "At another pace than 1 it is for clients only: executors do not start.\n"
        if running.speed != 1
        else "",
        "Rehearse: candela sandbox fault outage --for 60. Ctrl-C stops it.",
    )
    from dataclasses import asdict

    output.result({**asdict(running), "state_file": path}, "\n".join(lines))
    sys.stdout.flush()


def _stored(output: Output, wanted: list[str]) -> dict[str, Any]:
    from candela.candles.read import read_candles
    from candela.commands.places import open_command
    from candela.market.instrument import Instrument
    from candela.market.timeframe import Timeframe
    from sandbox.options import split

    _, places = open_command(output)
    minute = Timeframe.parse("1m")
    return {
        pair: read_candles(places.database, Instrument.parse(name), minute).frame
        for pair, name in (split(one, "--stored") for one in wanted)
    }


def _remote() -> Remote:
    from sandbox.remote import Remote
    from sandbox.statefile import read_state

    return Remote(read_state(_settings().state_dir).control_url)


@app.command("status")
def status(as_json: JsonFlag = False) -> None:
    """Say how the running sandbox fares: its time, requests, weights and faults."""
    told = _remote().ask("GET", "state")
    now = datetime.fromtimestamp(told["now_ms"] / 1_000).astimezone()
    rows = [
        ["venue time", now.isoformat(timespec="seconds")],
        ["speed", told["speed"]],
        ["symbols", len(told["symbols"])],
        ["accounts", ", ".join(told["accounts"])],
        ["requests", told["requests"]],
        ["sockets", told["sockets"]],
        ["highest weight a minute", told["weight"]["highest"]],
        ["answers 429 / 418", f"{told['weight']['answers_429']} / {told['weight']['answers_418']}"],
        ["faults so far", ", ".join(f"{kind} {n}" for kind, n in told["faults"].items()) or "none"],
    ]
    Output(as_json=as_json).result(told, table(["", ""], rows))


@app.command("mails")
def mails(
    to: Annotated[str | None, typer.Option("--to", help="Only those to this address.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the mails that the running sandbox took, with the links in them."""
    from sandbox.mail.looking import mails_at, told
    from sandbox.statefile import read_state

    found = mails_at(read_state(_settings().state_dir).mail_url or "", to)
    Output(as_json=as_json).result({"mails": found}, told(found))


@app.command("fault")
def fault(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="One that `fault kinds` names, or list, or clear."),
    ],
    for_s: Annotated[float, typer.Option("--for", min=0, help="Seconds until it ends.")] = 0.0,
    times: Annotated[
        int | None, typer.Option("--times", min=0, help="How many requests; 0: all.")
    ] = None,
    skip: Annotated[int, typer.Option("--skip", min=0, help="How many go well before.")] = 0,
    executes: Annotated[
        str, typer.Option("--executes", help="no, yes or later: whether the order is carried out.")
    ] = "no",
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Of a hang, a delay, a lag or the skew.")
    ] = None,
    delay: Annotated[float, typer.Option("--delay", min=0, help="Seconds with later.")] = 0.0,
    method: Annotated[str, typer.Option("--method", help="Such as POST.")] = "",
    path: Annotated[str, typer.Option("--path", help="Part of the path, a pattern.")] = "",
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Such as BTC/USDT.")] = "",
    client: Annotated[str, typer.Option("--client", help="Part of the client id.")] = "",
    code: Annotated[int | None, typer.Option("--status", help="HTTP status of the answer.")] = None,
    retry_after: Annotated[float, typer.Option("--retry-after", min=0, help="Seconds.")] = 0.0,
    ratio: Annotated[
        float | None, typer.Option("--ratio", min=0, max=1, help="Share that is filled.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--number", help="With clear: only this one.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:  # fmt: skip
    """Let something go wrong in the running sandbox, list what does, or clear it."""
    from sandbox.faults import KINDS

    output = Output(as_json=as_json)
    if kind == "kinds":
        rows = {
            **KINDS,
            **_STREAMS,
            "halt": "a symbol is in BREAK",
            "resume": "it trades again",
            "skew": "the time it tells is --seconds off",
        }
        output.result(rows, table(["kind", "what happens"], list(rows.items())))
        return
    remote = _remote()
    name = symbol.replace("/", "").upper()
    if kind == "list":
        told = remote.ask("GET", "faults")
        output.result(told, _listed(told))
    elif kind == "clear":
        told = remote.ask("DELETE", "faults" if number is None else f"faults/{number}")
        output.result(told, f"{told['cleared']} faults cleared.")
    elif kind in _STREAMS:
        told = remote.ask("POST", "streams", {"action": kind})
        output.result(told, f"{told['ended']} ended: {_STREAMS[kind]}.")
    elif kind in _SYMBOLS:
        told = remote.ask("PATCH", f"symbols/{name}", {"status": _SYMBOLS[kind], "for_s": for_s})
        output.result(told, f"{told['symbol']} is {told['status']}.")
    elif kind == "skew":
        told = remote.ask("POST", "clock", {"skew_s": seconds or 0.0})
        output.result(told, f"The venue tells a time that is {told['skew_s']:+g} s off.")
    else:
        wanted: dict[str, Any] = {"kind": kind, "for_s": for_s, "skip": skip, "executes": executes}
        wanted |= {"method": method, "path": path, "symbol": name, "client": client}
        wanted |= {"delay_s": delay, "retry_after_s": retry_after}
        given = {"times": times, "seconds": seconds, "status": code, "ratio": ratio}
        wanted |= {field: value for field, value in given.items() if value is not None}
        told = remote.ask("POST", "faults", wanted)
        output.result(told, f"Set as number {told['numbers'][0]}: {KINDS[kind]}.")


def _listed(told: dict[str, Any]) -> str:
    rows = [
        [one["number"], one["kind"], one["method"] or "any", one["path"] or "any",
         one["times"] or "all", one["hits"]]
        for one in told["faults"]
    ]  # fmt: skip
    text = table(["number", "kind", "method", "path", "times left", "hits"], rows)
    if told["seed"] is not None:
        text += f"\nSeed {told['seed']['seed']}: {told['seed']['rate_ratio']:.0%} of orders."
    return text if rows or told["seed"] else "Nothing goes wrong."
