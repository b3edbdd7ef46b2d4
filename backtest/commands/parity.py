"""The command `candela parity`: what bots did against their backtests, cause by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from candela.commands.output import JsonFlag, Output, table

if TYPE_CHECKING:
    from backtest.parity.keeping import Attempt
    from backtest.parity.proof import Proof

__all__ = ["EXIT_UNEXPLAINED", "parity", "text_of"]

# 1 and 2 say that the command itself went wrong.
EXIT_UNEXPLAINED: Final = 3
_SHOWN: Final = 12


def parity(
    bot: Annotated[
        str | None, typer.Argument(metavar="[BOT]", help="Name of a bot; all of them without.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run bots again through the backtest on the bars they saw, and name every difference.

    The gap in money is cut into causes whose sum is the gap. What is found is kept, as by the
    nightly asset bot_parity. Exit code 3 where a part of a gap is left unexplained.
    """
    from backtest.parity.keeping import prove_all
    from candela.clock import SystemClock
    from candela.commands.places import open_command

    output = Output(as_json=as_json)
    _, places = open_command(output)
    with output.progress("parity", "bots") as update:
        attempts = prove_all(
            places.database,
            SystemClock(),
            bot=bot,
            progress=lambda done, total: update(done / total, done),
        )
    output.result([_data(one) for one in attempts], text_of(attempts))
    if any(one.error is not None for one in attempts):
        raise typer.Exit(1)
    if any(one.proof is not None and not one.proof.parity.is_explained for one in attempts):
        raise typer.Exit(EXIT_UNEXPLAINED)


def _data(attempt: Attempt) -> dict[str, object]:
    name = {"bot": attempt.bot.name, "version": attempt.bot.version}
    if attempt.proof is not None:
        return attempt.proof.as_dict()
    if attempt.error is not None:
        return {**name, "error": attempt.error.as_dict()}
    return {**name, "skipped": attempt.skipped}


def text_of(attempts: list[Attempt]) -> str:
    """Return proofs as people read them."""
    if not attempts:
        return "No bot has run yet."
    return "\n\n".join(_paragraph(one) for one in attempts)


def _paragraph(attempt: Attempt) -> str:
    head = f"{attempt.bot.name}, version {attempt.bot.version}"
    if attempt.proof is None:
        return f"{head}: {attempt.error or attempt.skipped}"
    return f"{head}: {_proof(attempt.proof)}"


def _proof(proof: Proof) -> str:
    found, quote = proof.parity, proof.bot.quote
    lines = [
        f"{proof.bot.strategy} on {proof.bot.instrument} {proof.bot.timeframe}, {proof.bot.mode}",
        (
            f"{proof.since:%Y-%m-%d %H:%M} to {proof.until:%Y-%m-%d %H:%M}, {proof.bars:,} bars,"
            f" {found.matched} trades in both, {found.only_bot} of the bot alone,"
            f" {found.only_backtest} of the backtest alone"
        ),
        "",
    ]
    rows = [["bot", f"{found.bot_pnl:+.8f}"], ["backtest", f"{found.backtest_pnl:+.8f}"]]
    rows.append(["gap", f"{found.gap:+.8f}"])
    rows += [
        [f"  {cause}", f"{amount:+.8f}"]
        for cause, amount in found.causes.items()
        if round(amount, 8)
    ]
    lines.append(table(["", quote], rows))
    defects = [one for one in found.differences if one.cause == "defect"]
    lines += [
        f"unexplained at {one.bar:%Y-%m-%d %H:%M}: {float(one.amount):+.8f} {quote}, {one.words}"
        for one in defects[:_SHOWN]
    ]
    verdict = "Every unit of the gap has its cause."
    if not found.is_explained:
        verdict = "A part of the gap has no cause yet; the lines above say where."
    return "\n".join([*lines, "", verdict])
