"""The commands `candela account add|list|close`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from candela.commands.output import JsonFlag, Output, table
from live.commands.opening import UserOption, amount, open_operator

if TYPE_CHECKING:
    from candela.desk.accounts import AccountRow
    from candela.vault.credential import Credential
    from live.commands.opening import Operator

__all__ = ["app"]

app = typer.Typer(help="Accounts: paper money, or a venue's with your key.", no_args_is_help=True)

_LIMIT = 4_096


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the account, such as paper.")],
    venue: Annotated[str, typer.Option("--venue", help="Where it trades.")] = "binance",
    mode: Annotated[
        Literal["paper", "demo", "live"],
        typer.Option("--mode", help="paper: simulated here; demo: the venue's play money."),
    ] = "paper",
    opening: Annotated[
        str, typer.Option("--opening", help="Opening balance of a paper account.")
    ] = "10000",
    quote: Annotated[str, typer.Option("--ccy", help="Currency it is kept in.")] = "USDT",
    key: Annotated[
        str | None, typer.Option("--key", help="The key; its secret is asked for.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="- reads it from standard input.")
    ] = None,
    password: Annotated[
        bool, typer.Option("--password", help="The venue has a third part; asked for as well.")
    ] = False,
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Add an account. A key is tried first, and refused if it may withdraw or may not trade."""
    from candela.venues.known import require_venue

    output = Output(as_json=as_json)
    place = venue.lower()
    require_venue(place)
    _check_options(mode, key, secret)
    operator = open_operator(output, user)
    if mode == "paper":
        made = _paper(operator, name, place, opening, quote.upper())
    else:
        made = _keyed(operator, name, place, mode, key or "", secret, quote.upper(), password)
    text = f"Added the account {made.name}: {made.mode} at {made.venue}, {_balances(made)}."
    output.result(made, text)


@app.command("list")
def show(user: UserOption = None, as_json: JsonFlag = False) -> None:
    """List the accounts with their balances."""
    from candela.desk.accounts import all_accounts

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        accounts = all_accounts(session)
    rows = [
        [
            one.name,
            one.venue,
            one.mode,
            _balances(one),
            one.bots,
            f"...{one.last_four}" if one.last_four else "-",
            f"{one.state}: {one.state_reason}" if one.state_reason else one.state,
        ]
        for one in accounts
    ]
    text = table(["account", "venue", "mode", "balance", "bots", "key", "state"], rows)
    none = "No accounts. `candela account add paper` adds one of play money."
    output.result({"accounts": accounts}, text if rows else none)


@app.command("close")
def close(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    user: UserOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Close an account that no bot uses; its history stays."""
    from candela.desk.accounts import close_account

    output = Output(as_json=as_json)
    operator = open_operator(output, user)
    with operator.session() as session:
        close_account(session, name, clock=operator.clock)
    output.result({"closed": name}, f"Closed the account {name}.")


def _check_options(mode: str, key: str | None, secret: str | None) -> None:
    from candela.commands.fileoptions import BadOption

    if mode == "paper" and (key or secret):
        raise BadOption("A paper account has no key.", "Leave --key out, or give --mode live.")
    if mode != "paper" and not key:
        raise BadOption(f"A {mode} account needs a key.", "Give --key; the secret is asked for.")
    if secret not in (None, "-"):
        message = "A secret on the command line is seen by every process and kept by the shell."
        raise BadOption(message, "Leave --secret out, or give - and the secret on standard input.")


def _paper(operator: Operator, name: str, venue: str, opening: str, ccy: str) -> AccountRow:
    from candela.desk.opening import add_paper

    balance = amount(opening, "--opening")
    with operator.session() as session:
        return add_paper(
            session,
            name=name,
            venue=venue,
            opening=balance,
            quote_ccy=ccy,
            clock=operator.clock,
        )


def _keyed(
    operator: Operator,
    name: str,
    venue: str,
    mode: Literal["demo", "live"],
    key: str,
    secret: str | None,
    ccy: str,
    has_password: bool,
) -> AccountRow:
    from candela.commands.keyring import master_keys
    from candela.desk.opening import KeyGiven, add_keyed
    from candela.vault.credential import Credential
    from live.commands.trying import look_at

    masters = master_keys(operator.settings)
    given = KeyGiven(
        Credential(key.strip()),
        _secret(secret, f"Secret of the key at {venue}"),
        _secret(secret, "Password of the key") if has_password else None,
    )
    return add_keyed(
        operator.places.database,
        operator.user.tenant_id,
        name=name,
        venue=venue,
        mode=mode,
        key=given,
        look=look_at(operator, venue, mode),
        masters=masters,
        clock=operator.clock,
        quote_ccy=ccy,
    )


def _secret(source: str | None, words: str) -> Credential:
    """Read a secret: a line of standard input, or what a person types unseen."""
    from candela.commands.fileoptions import BadOption
    from candela.vault.credential import Credential

    if source == "-" or not sys.stdin.isatty():
        text = sys.stdin.readline(_LIMIT).strip()
    else:
        text = str(typer.prompt(words, hide_input=True, err=True)).strip()
    if not text:
        raise BadOption(f"{words}: nothing was given.", "Give it as a line on standard input.")
    return Credential(text)


def _balances(account: AccountRow) -> str:
    from live.commands.words import money

    parts = [f"{money(total)} {ccy}" for ccy, (total, _) in account.balances.items()]
    return ", ".join(parts[:3]) + (", ..." if len(parts) > 3 else "") if parts else "empty"  # noqa: PLR2004
