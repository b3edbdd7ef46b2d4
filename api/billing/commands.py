"""The commands `candela billing sync|reconcile|events`: what an operator does with Stripe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candela.commands.output import JsonFlag, Output, table

if TYPE_CHECKING:
    from candela.billing.gateway import Gateway
    from candela.embedded import Places

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Plans at Stripe: catalogue, comparison, events.")


@app.command("sync")
def sync(as_json: JsonFlag = False) -> None:
    """Tell Stripe the plans and prices that it lacks; again and again harmless."""
    from candela.billing.catalogue import sync_catalogue
    from candela.clock import SystemClock
    from candela.db.connect import Role
    from candela.money import plain

    output = Output(as_json=as_json)
    places, gateway = _open(output)
    with places.database.connect(Role.APP) as connection:
        found = sync_catalogue(connection, gateway, clock=SystemClock())
    told = [
        {
            "plan": one.plan,
            "interval": one.interval,
            "amount": plain(one.amount),
            "price_id": one.price_id,
            "is_new": one.is_new,
        }
        for one in found
    ]
    rows = [[*list(one.values())[:4], "new" if one["is_new"] else "was there"] for one in told]
    output.result(told, table(["plan", "each", "USD", "price", ""], rows))


@app.command("reconcile")
def reconcile(as_json: JsonFlag = False) -> None:
    """Compare every customer with Stripe, and put right what differs."""
    from candela.billing.reconcile import reconcile_all
    from candela.clock import SystemClock

    output = Output(as_json=as_json)
    places, gateway = _open(output)
    found = reconcile_all(places.database, gateway, SystemClock())
    failed = [one for one in found if one.error is not None]
    told = {
        "customers": len(found),
        "repaired": sum(one.is_repaired for one in found),
        "rows": sum(one.rows for one in found),
    }
    words = [f"{one.tenant_id}: {one.error}" for one in failed]
    first = f"{len(found)} customers compared; put right: {told['repaired']} plans, "
    lines = [f"{first}{told['rows']} invoices and payments."]
    lines += [f"Not compared: {one}" for one in words]
    output.result({**told, "failed": words}, "\n".join(lines))
    if failed:
        raise typer.Exit(1)


@app.command("events")
def events(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most lines.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the events of Stripe that came last, and what became of them."""
    from candela.billing.webhooks import recent_events
    from candela.commands.places import open_command
    from candela.db.connect import Role

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with places.database.connect(Role.APP) as connection:
        found = recent_events(connection, limit)
    rows = [[one["handled_at"], one["kind"], one["outcome"], one["event_id"]] for one in found]
    shown = table(["handled (UTC)", "kind", "outcome", "event"], rows)
    output.result(found, shown if found else "No event came yet.")


def _open(output: Output) -> tuple[Places, Gateway]:
    from candela.billing.errors import BillingNotConfigured
    from candela.commands.keyring import gateway_of
    from candela.commands.places import open_command

    settings, places = open_command(output)
    gateway = gateway_of(settings)
    if gateway is None:
        raise BillingNotConfigured
    return places, gateway
