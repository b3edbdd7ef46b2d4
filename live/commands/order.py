"""The command `candela order`: an order by hand, through the same gates as those of a bot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from candela.commands.output import JsonFlag, Output
from live.commands.opening import UserOption, amount, open_operator

if TYPE_CHECKING:
    from candela.desk.orders import OrderRequestRow

__all__ = ["order"]

_POLL_S = 0.5


def order(
    account: Annotated[str, typer.Option("--account", "-a", help="Name of the account.")],
    symbol: Annotated[str, typer.Option("--symbol", help="Such as BTC/USDT.")],
    side: Annotated[Literal["buy", "sell"], typer.Option("--side", help="What to do.")],
    quantity: Annotated[str, typer.Option("--quantity", help="Base, such as 0.01.")],
    limit: Annotated[
        str | None, typer.Option("--limit", help="Price of a limit order; none: at the market.")
    ] = None,
    valid: Annotated[
        int, typer.Option("--valid", min=5, max=86_400, help="Seconds until it lapses untaken.")
    ] = 60,
    wait: Annotated[
        int, typer.Option("--wait", min=0, max=600, help="Seconds to wait for what becomes of it.")
    ] = 0,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask for an order of your own. Exit code 1 where it was refused, or came to nothing."""
    from candela.desk.accounts import account_named
    from candela.desk.orders import request_order, request_row
    from candela.market.instrument import Instrument

    output = Output(as_json=as_json)
    base = amount(quantity, "--quantity")
    price = None if limit is None else amount(limit, "--limit")
    operator = open_operator(output, user)
    with operator.session() as session:
        place = account_named(session, account)
    market = operator.market(Instrument(place.venue, symbol))
    with operator.session() as session:
        row = request_order(
            session,
            account=account,
            market=market,
            side=side,
            quantity=base,
            price=price,
            requested_by=operator.user.email,
            clock=operator.clock,
            valid_s=valid,
        )
    until = time.monotonic() + wait
    while not row.is_final and time.monotonic() < until:
        time.sleep(_POLL_S)
        with operator.session() as session:
            row = request_row(session, row.request_id)
    output.result(row, _words(row))
    if row.state in {"refused", "lapsed"} or row.intent_state == "failed":
        raise typer.Exit(1)


def _words(row: OrderRequestRow) -> str:
    from live.commands.words import money, number

    price = "at the market" if row.price is None else f"at {number(row.price)}"
    what = f"{row.side} {number(row.quantity)} {row.symbol} {price} on {row.account}"
    if row.state == "waiting":
        return f"Asked for: {what}. It waits for an executor, for {_until(row)}."
    if row.state in {"refused", "lapsed"}:
        return f"{row.state.capitalize()}: {what}. {row.reason or ''}".rstrip()
    filled = f"{number(row.executed)} filled for {money(row.value)}" if row.fills else "not filled"
    ends = {"done": "Done", "failed": "Failed"}.get(row.intent_state or "", "At work")
    reason = f" ({row.intent_reason})" if row.intent_reason else ""
    return f"{ends}: {what}, {filled}{reason}."


def _until(row: OrderRequestRow) -> str:
    if row.valid_until is None:
        return "as long as it takes"
    return f"{(row.valid_until - row.requested_at).total_seconds():.0f} s"
