"""`candela audit`: chaining the log of what was done, and proving that nobody changed it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from candela.commands.output import JsonFlag, Output
from candela.errors import Conflict, StrategyError

if TYPE_CHECKING:
    from candela.audit.sealing import Head

__all__ = ["AuditBroken", "BadHead", "app"]

_HASH_BYTES: Final = 32

app = typer.Typer(no_args_is_help=True, help="The chained log of what was done: seal, verify.")


class AuditBroken(Conflict):
    """The log is not as it was written."""

    code = "audit_broken"


class BadHead(StrategyError):
    """A head that was handed in is none."""

    code = "bad_head"


@app.command("seal")
def seal_log(as_json: JsonFlag = False) -> None:
    """Chain what was written since the last time; the pipelines do so every minute."""
    from candela.audit.sealing import seal
    from candela.clock import SystemClock
    from candela.commands.places import open_command

    output = Output(as_json=as_json)
    _, places = open_command(output)
    count, head = seal(places.database, SystemClock())
    output.result(
        {"sealed": count, "n": head.n, "hash": head.hash.hex()},
        f"{count:,} entries sealed. Head, to keep elsewhere: {head}",
    )


@app.command("verify")
def verify_log(
    head: Annotated[
        list[str] | None,
        typer.Option(help="N:HASH that was kept elsewhere; may be given several times."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read the whole log again; name the first entry that was changed, deleted or put in.

    Raises
    ------
    AuditBroken
        Naming it.
    BadHead
        What was handed in as a head is none.
    """
    from candela.audit.verifying import verify
    from candela.clock import SystemClock
    from candela.commands.places import open_command

    output = Output(as_json=as_json)
    known = [_head(text) for text in head or []]
    _, places = open_command(output)
    started = time.monotonic()
    proof = verify(places.database, SystemClock(), known=known)
    if proof.fault is not None:
        hint = f"Up to link {proof.head.n} all is as written; compare the rest with a backup."
        raise AuditBroken(proof.fault.said, hint)
    seconds = time.monotonic() - started
    output.result(
        {"n": proof.head.n, "hash": proof.head.hash.hex(), "seconds": round(seconds, 3)},
        f"{proof.head.n:,} entries are as they were written. Head: {proof.head}",
    )


def _head(text: str) -> Head:
    from candela.audit.sealing import Head

    number, _, digits = text.partition(":")
    try:
        found = Head(int(number), bytes.fromhex(digits))
    except ValueError:
        found = Head(0, b"")
    if found.n < 1 or len(found.hash) != _HASH_BYTES:
        message = f"--head {text[:90]!r} is not N:HASH."
        raise BadHead(message, "Write it as `candela audit seal` printed it.")
    return found
