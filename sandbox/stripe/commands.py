"""The commands `candela sandbox stripe state|advance|card|webhook|again`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from candela.commands.output import JsonFlag, Output, table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The stand-in for Stripe: its time, cards and events.")


@app.command("state")
def state(as_json: JsonFlag = False) -> None:
    """Say what it knows: its time, subscriptions, open pages, events."""
    _ask("GET", "state", {}, as_json=as_json)


@app.command("advance")
def advance(
    days: Annotated[float, typer.Argument(min=0, help="How far its time moves.")],
    as_json: JsonFlag = False,
) -> None:
    """Let time go by: subscriptions renew, are declined, tried again and end."""
    _ask("POST", "advance", {"days": days}, as_json=as_json)


@app.command("card")
def card(
    customer: Annotated[str, typer.Argument(help="Such as cus_1, see state.")],
    works: Annotated[bool, typer.Option("--works/--declines", help="From now on.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Let the card of a customer be declined from now on, or work again."""
    _ask("POST", "card", {"customer": customer, "works": works}, as_json=as_json)


@app.command("webhook")
def webhook(
    url: Annotated[str, typer.Argument(help="Where events go from now on.")],
    copies: Annotated[int, typer.Option("--copies", min=1, max=10, help="Of each event.")] = 1,
    delay: Annotated[
        float, typer.Option("--delay", min=0, max=60, help="Longest wait, s; mixes their order.")
    ] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Send events elsewhere, several times, late and out of order."""
    wanted = {"url": url, "copies": copies, "delay_s": delay}
    _ask("POST", "webhook", wanted, as_json=as_json)


@app.command("again")
def again(as_json: JsonFlag = False) -> None:
    """Tell every event once more."""
    _ask("POST", "again", {}, as_json=as_json)


def _ask(method: str, path: str, wanted: dict[str, Any], *, as_json: bool) -> None:
    from candela.settings import load_settings
    from sandbox.remote import Remote
    from sandbox.statefile import read_state

    running = read_state(load_settings().state_dir)
    told = Remote(running.stripe_url or "").ask(method, path, wanted)
    rows = [[name, value] for name, value in told.items()]
    Output(as_json=as_json).result(told, table(["", ""], rows))
