"""The command `candela kill`: no more entries, for one user, an account or everybody."""

from __future__ import annotations

from typing import Annotated

import typer

from candela.commands.output import JsonFlag, Output, table
from live.commands.opening import UserOption, open_operator

__all__ = ["FlattenOption", "ReasonOption", "ReleaseOption", "kill"]

FlattenOption = Annotated[bool, typer.Option("--flatten", help="Also sell what is held.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Kept, and shown with each refusal.")]
ReleaseOption = Annotated[bool, typer.Option("--release", help="Release the switch again.")]


def kill(
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Only this account.")
    ] = None,
    platform: Annotated[bool, typer.Option("--platform", help="Of all users.")] = False,
    flatten: FlattenOption = False,
    release: ReleaseOption = False,
    show: Annotated[bool, typer.Option("--list", help="Only show what is on.")] = False,
    reason: ReasonOption = "by hand",
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop all entries at once, on every bot of a user; exits and stops go on."""
    from candela.commands.fileoptions import BadOption
    from candela.db.connect import Role
    from candela.desk.halts import (
        active_halts,
        kill,
        kill_platform,
        release_platform,
    )
    from candela.desk.halts import release as release_halt

    if platform and account is not None:
        raise BadOption("--platform and --account are two scopes.", "Give one of them.")
    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    by, clock = operator.user.email, operator.clock
    done = ""
    if platform and not show:
        with operator.places.database.connect(Role.EXECUTOR, autocommit=True) as connection:
            if release:
                was_on = release_platform(connection, by=by, clock=clock)
                done = "Released." if was_on else "The switch was not on."
            else:
                kill_platform(connection, by=by, reason=reason, clock=clock, flatten=flatten)
    elif not show:
        with operator.session() as session:
            if release:
                was_on = release_halt(session, by=by, clock=clock, account=account)
                done = "Released." if was_on else "The switch was not on."
            else:
                kill(session, by=by, reason=reason, clock=clock, account=account, flatten=flatten)
    with operator.session() as session:
        halts = active_halts(session)
    rows = [[one.words, one.reason, one.halted_by, one.halted_at, one.flatten] for one in halts]
    text = table(["kill switch of", "reason", "by", "since (UTC)", "sells"], rows)
    text = text if rows else "No kill switch is on."
    output.result({"halts": halts}, f"{done}\n{text}".lstrip("\n"))
