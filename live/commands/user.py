"""The commands `candela user create|list|plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output, table

__all__ = ["app"]

app = typer.Typer(help="Users: who trades on this machine, on which plan.", no_args_is_help=True)

PlanOption = Annotated[str, typer.Option("--plan", help="free, basic, pro or enterprise.")]


@app.command("create")
def create(
    email: Annotated[str, typer.Argument(help="Address, by which other commands find the user.")],
    plan: PlanOption = "free",
    name: Annotated[str, typer.Option("--name", help="For messages.")] = "",
    zone: Annotated[
        str, typer.Option("--zone", help="IANA zone whose days daily limits count.")
    ] = "UTC",
    as_json: JsonFlag = False,
) -> None:
    """Make a user with a tenant of its own."""
    from candela.clock import SystemClock
    from candela.commands.places import open_command
    from candela.desk.users import create_user

    output = Output(as_json=as_json)
    _, places = open_command(output)
    made = create_user(places.database, email, clock=SystemClock(), name=name, plan=plan, zone=zone)
    output.result(made, f"Made {made.email} on the plan {made.plan}, with days of {made.zone}.")


@app.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List the users."""
    from candela.commands.places import open_command
    from candela.desk.users import all_users

    output = Output(as_json=as_json)
    _, places = open_command(output)
    users = all_users(places.database)
    rows = [[one.email, one.plan, one.zone, one.created_at] for one in users]
    text = table(["user", "plan", "zone", "since"], rows)
    output.result({"users": users}, text if users else "No users. `candela user create` adds one.")


@app.command("plan")
def set_plan(
    email: Annotated[str, typer.Argument(help="Whose plan.")],
    plan: Annotated[str, typer.Argument(help="free, basic, pro or enterprise.")],
    as_json: JsonFlag = False,
) -> None:
    """Put another plan in force for a user."""
    from candela.desk.users import change_plan
    from live.commands.opening import open_operator

    output = Output(as_json=as_json)
    operator = open_operator(output, email)
    with operator.session() as session:
        change_plan(session, plan, clock=operator.clock)
    output.result(
        {"email": operator.user.email, "plan": plan},
        f"{operator.user.email} is on the plan {plan} (was {operator.user.plan}).",
    )
