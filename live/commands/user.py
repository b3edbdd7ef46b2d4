"""The commands `candela user create|list|plan|password|verify|role`."""

from __future__ import annotations

from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output, table

__all__ = ["app"]

app = typer.Typer(help="Users: who trades on this machine, on which plan.", no_args_is_help=True)

PlanOption = Annotated[str, typer.Option("--plan", help="free, basic, pro or enterprise.")]
RoleOption = Annotated[str, typer.Option("--role", help="user, admin or superadmin.")]
PasswordFlag = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read a password from the first line of the input."),
]
Email = Annotated[str, typer.Argument(help="Whose.")]


@app.command("create")
def create(
    email: Annotated[str, typer.Argument(help="Address, by which other commands find the user.")],
    plan: PlanOption = "free",
    name: Annotated[str, typer.Option("--name", help="For messages.")] = "",
    zone: Annotated[
        str, typer.Option("--zone", help="IANA zone whose days daily limits count.")
    ] = "UTC",
    role: RoleOption = "user",
    password_stdin: PasswordFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a user with a tenant of its own; with a password, one who can log in to the API."""
    from candela.clock import SystemClock
    from candela.commands.places import open_command
    from candela.desk.session import tenant_session
    from candela.desk.users import User, address_of, write_user
    from candela.identity.operator import give_password, give_role
    from candela.ids import new_id

    output = Output(as_json=as_json)
    password = _password() if password_stdin else None
    _, places = open_command(output)
    clock = SystemClock()
    now = clock.now()
    user = User(new_id(now), new_id(now), address_of(email), name.strip(), plan, zone, now)
    with tenant_session(places.database, user.tenant_id) as session:
        made = write_user(session, user)
        if password is not None:
            give_password(session, made, password, clock=clock)
        if role != "user":
            give_role(session, made, role, clock=clock)
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


@app.command("password")
def set_password(email: Email, as_json: JsonFlag = False) -> None:
    """Set a user's password, read from the input; all sessions and API tokens end."""
    from candela.identity.operator import give_password
    from live.commands.opening import open_operator

    output = Output(as_json=as_json)
    password = _password()
    operator = open_operator(output, email)
    with operator.session() as session:
        give_password(session, operator.user, password, clock=operator.clock)
    output.result({"email": operator.user.email}, f"{operator.user.email} has a new password.")


@app.command("verify")
def verify(email: Email, as_json: JsonFlag = False) -> None:
    """Take a user's address as verified, without the mail."""
    from candela.identity.operator import take_as_verified
    from live.commands.opening import open_operator

    output = Output(as_json=as_json)
    operator = open_operator(output, email)
    with operator.session() as session:
        take_as_verified(session, operator.user, clock=operator.clock)
    output.result({"email": operator.user.email}, f"{operator.user.email} may log in.")


@app.command("role")
def set_role(
    email: Email,
    role: Annotated[str, typer.Argument(help="user, admin or superadmin.")],
    as_json: JsonFlag = False,
) -> None:
    """Give a user a role; it holds at the user's next request."""
    from candela.identity.operator import give_role
    from live.commands.opening import open_operator

    output = Output(as_json=as_json)
    operator = open_operator(output, email)
    with operator.session() as session:
        give_role(session, operator.user, role, clock=operator.clock)
    output.result(
        {"email": operator.user.email, "role": role}, f"{operator.user.email} is {role} now."
    )


def _password() -> str:
    """Read a password without an echo where a person types it."""
    import sys
    from getpass import getpass

    if sys.stdin.isatty():
        return getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")


@app.command("restore")
def restore(
    email: Annotated[str, typer.Argument(help="Who left less than 30 days ago.")],
    as_json: JsonFlag = False,
) -> None:
    """Take back a user who left; keys have to be entered again."""
    from candela.audit.record import Actor, record
    from candela.clock import SystemClock
    from candela.commands.places import open_command
    from candela.desk import leaving
    from candela.desk.session import tenant_session
    from candela.desk.users import find_left

    output = Output(as_json=as_json)
    _, places = open_command(output)
    clock = SystemClock()
    tenant_id = find_left(places.database, email)
    with tenant_session(places.database, tenant_id) as session:
        leaving.restore(session, clock=clock)
        actor = Actor(name="operator")
        record(session, actor, "user.restore", "tenant", tenant_id, clock=clock)
    output.result({"email": email}, f"{email} is back; the keys have to be entered again.")
