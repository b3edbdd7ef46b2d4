"""The control interface: faults, clock, accounts and symbols, as JSON over plain HTTP."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web

from candela.errors import CandelaError, DataError, NotFound
from sandbox.accounts import open_account
from sandbox.answers import Refusal, as_json
from sandbox.faults import Chance, Fault
from sandbox.terms import read_terms
from sandbox.view import contents

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.listing import Symbol
    from sandbox.records import Account
    from sandbox.rest import Rest
    from sandbox.sockets import Sockets
    from sandbox.user_streams import UserStreams

__all__ = ["BadControl", "Control"]

Content = dict[str, Any]
_FLAGS: Final = ("can_trade", "can_withdraw", "can_read", "ip_restricted", "revoked")
_LIMITS: Final = ("weight", "orders_10s", "orders_day", "patience", "ban_s")
_AMOUNTS: Final = (
    "tick",
    "step",
    "min_notional",
    "max_quantity",
    "max_market_quantity",
    "liquidity",
)
_PARTS: Final = 3
_STATES: Final = frozenset({"TRADING", "BREAK", "HALT"})


class BadControl(DataError):
    """The control interface was asked for something that it does not do."""

    code = "sandbox_control"


class NoSuchAccount(NotFound):
    """The sandbox has no account of that name."""

    code = "sandbox_no_account"


class Control:
    """Answer the control interface; everything it changes holds from the next request on."""

    def __init__(self, rest: Rest, user: UserStreams, sockets: Sockets) -> None:
        self._rest = rest
        self._engine = rest.engine
        self._user = user
        self._sockets = sockets
        self._routes: dict[tuple[str, str], Callable[[Content], object]] = {
            ("GET", "state"): self._state,
            ("GET", "ledger"): lambda _: contents(self._engine.ledger, rest.log),
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "seed"): self._seed,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._set_clock,
            ("POST", "accounts"): self._open,
            ("PATCH", "accounts"): self._change_account,
            ("POST", "transfers"): self._transfer,
            ("POST", "trades"): self._trade,
            ("PATCH", "symbols"): self._change_symbol,
            ("PATCH", "fees"): self._change_fees,
            ("PATCH", "limits"): self._change_limits,
            ("POST", "streams"): self._streams,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.text()
        if request.headers.get("Origin") is not None:
            # A page in a browser must not steer the venue.
            return web.json_response({"error": "no browsers here"}, status=403)
        try:
            content = _content(body)
            parts = request.path.strip("/").split("/")
            route = self._routes.get((request.method, parts[1] if len(parts) > 1 else ""))
            if parts[0] != "control" or route is None or len(parts) > _PARTS:
                message = f"There is nothing at {request.method} {request.path}."
                raise BadControl(message, "See docs/howto/rehearse-an-outage.md.")
            if len(parts) == _PARTS:
                content["name"] = parts[2]
            told = route(content)
            self._engine.ledger.commit()
        except Refusal as refusal:
            return _json({"error": refusal.body()}, 400)
        except CandelaError as error:
            return _json({"error": error.as_dict()}, error.status)
        return _json(told, 200)

    def _state(self, _content: Content) -> Content:
        limits = self._rest.limits
        return {
            **self._clock({}),
            "symbols": {one.name: one.status for one in self._engine.listing.symbols.values()},
            "accounts": list(self._engine.ledger.accounts),
            "requests": self._rest.requests,
            "sockets": len(self._sockets.open),
            "weight": {
                "limit": limits.weight,
                "highest": limits.highest,
                "answers_429": limits.throttled,
                "answers_418": limits.banned,
            },
            "faults": self._rest.faults.hits,
        }

    def _list_faults(self, _content: Content) -> Content:
        plan = self._rest.faults
        chance = plan.chance
        return {
            "faults": [one.as_dict() for one in plan.active()],
            "seed": None
            if chance is None
            else {"seed": chance.seed, "rate_ratio": chance.rate_ratio, "kinds": [*chance.kinds]},
            "hits": plan.hits,
        }

    def _add_faults(self, content: Content) -> Content:
        given = content.get("faults", [content])
        if not isinstance(given, list):
            raise BadControl("The faults are no list.", "Send one fault, or a list of them.")
        faults = [Fault.read(one) for one in cast("list[Content]", given)]
        return {"numbers": self._rest.faults.add(*faults)}

    def _clear_faults(self, content: Content) -> Content:
        name = content.get("name")
        if name is not None and not str(name).isdecimal():
            raise BadControl(f"{name!r} is no number of a fault.", "List them for their numbers.")
        return {"cleared": self._rest.faults.clear(None if name is None else int(str(name)))}

    def _seed(self, content: Content) -> Content:
        try:
            self._rest.faults.chance = Chance(**content)
        except TypeError as error:
            message = f"A seeded mix cannot be made of {sorted(content)}: {error}."
            raise BadControl(message, "Send seed, rate_ratio and, if need be, kinds.") from None
        return self._list_faults({})

    def _clock(self, _content: Content) -> Content:
        clock = self._engine.clock
        return {
            "now_ms": clock.now_ms(),
            "told_ms": clock.told_ms(),
            "speed": clock.speed,
            "skew_s": clock.skew_s,
            "elapsed_s": clock.elapsed_s(),
        }

    def _set_clock(self, content: Content) -> Content:
        self._engine.clock.skew_s = float(_amount(content, "skew_s"))
        return self._clock({})

    def _open(self, content: Content) -> Content:
        balances = {
            str(asset): _decimal("balances", value)
            for asset, value in cast("Content", content.get("balances", {})).items()
        }
        flags = {name: bool(content[name]) for name in _FLAGS[:4] if name in content}
        words = {name: str(content[name]) for name in ("name", "key", "secret") if name in content}
        account = open_account(self._engine, balances, **words, **flags)  # pyright: ignore[reportArgumentType]
        return {"name": account.name, "key": account.key, "secret": account.secret}

    def _account(self, content: Content, field: str = "account") -> Account:
        name = str(content.get(field, ""))
        found = self._engine.ledger.accounts.get(name)
        if found is None:
            message = f"The sandbox has no account {name!r}."
            raise NoSuchAccount(message, f"There are: {', '.join(self._engine.ledger.accounts)}.")
        return found

    def _change_account(self, content: Content) -> Content:
        account = self._account(content, "name")
        for name in _FLAGS:
            if name in content:
                setattr(account, name, bool(content[name]))
        self._engine.ledger.note_account(account)
        return {"name": account.name, **{name: getattr(account, name) for name in _FLAGS}}

    def _transfer(self, content: Content) -> Content:
        account = self._account(content)
        asset = str(content.get("asset", ""))
        self._engine.transfer(account, asset, _amount(content, "amount"))
        return {"asset": asset, "free": str(account.balance(asset).free)}

    def _trade(self, content: Content) -> Content:
        account = self._account(content)
        params = {
            name: str(value) for name, value in content.items() if name not in {"account", "name"}
        }
        params.setdefault("type", "MARKET")
        number = self._rest.next_number()
        terms = read_terms(params, self._engine.listing, f"web_{number}")
        return self._engine.place(account, terms, request=number).told()

    def _change_symbol(self, content: Content) -> Content:
        listing = self._engine.listing
        symbol = listing.find(str(content.get("name", "")).replace("/", "").upper())
        self._engine.settle(symbol)
        if "status" in content:
            if content["status"] not in _STATES:
                message = f"{content['status']!r} is no state of a symbol."
                raise BadControl(message, f"One of: {', '.join(sorted(_STATES))}.")
            self._set_status(symbol, content)
        for name in _AMOUNTS:
            if name in content:
                value = content[name]
                is_unset = value is None and name == "liquidity"
                setattr(symbol, name, None if is_unset else _positive(content, name))
        if "spread" in content:
            symbol.spread = int(_positive(content, "spread"))
        listing.changed()
        return symbol.information()

    def _set_status(self, symbol: Symbol, content: Content) -> None:
        before, symbol.status = symbol.status, str(content["status"])
        seconds = float(_amount(content, "for_s")) if content.get("for_s") else 0.0
        if seconds > 0:

            def restore() -> None:
                symbol.status = before
                self._engine.listing.changed()

            self._engine.later(seconds, restore)

    def _change_fees(self, content: Content) -> Content:
        fees = self._engine.fees
        if "bps" in content:
            fees.bps = _amount(content, "bps")
        if "third_price" in content:
            fees.third_price = _positive(content, "third_price")
        if "asset" in content:
            fees.asset = str(content["asset"])
        return {name: str(value) for name, value in asdict(fees).items()}

    def _change_limits(self, content: Content) -> Content:
        for name in _LIMITS:
            if name in content:
                setattr(self._rest.limits, name, int(_positive(content, name)))
        return {name: getattr(self._rest.limits, name) for name in _LIMITS}

    def _streams(self, content: Content) -> Content:
        name = str(content.get("account", ""))
        match content.get("action"):
            case "disconnect":
                return {"ended": self._sockets.cut(str(content.get("kind", "")))}
            case "shutdown":
                return {"ended": self._sockets.shut_down()}
            case "expire":
                return {"ended": self._user.expire(name)}
            case "forget":
                return {"ended": self._user.forget_silently(name)}
            case other:
                message = f"{other!r} is nothing that can be done with streams."
                raise BadControl(message, "One of: disconnect, shutdown, expire, forget.")


def _content(body: str) -> Content:
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except ValueError as error:
        raise BadControl(f"The body is no JSON: {error}.", "Send one JSON object.") from None
    if not isinstance(content, dict):
        raise BadControl("The body is no JSON object.", "Send one JSON object.")
    return cast("Content", content)


def _amount(content: Content, name: str) -> Decimal:
    return _decimal(name, content.get(name))


def _positive(content: Content, name: str) -> Decimal:
    value = _amount(content, name)
    if value <= 0:
        raise BadControl(f"{name} is {value}, not above 0.", "Send a number above 0.")
    return value


def _decimal(name: str, value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise BadControl(f"{name} is {value!r}, no number.", "Send a number, best as text.")
    return amount


def _json(content: object, status: int) -> web.Response:
    return web.Response(text=as_json(content), status=status, content_type="application/json")
