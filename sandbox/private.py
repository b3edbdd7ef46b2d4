"""What an account may ask and do: balances, orders, trades, permissions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sandbox.access import Security
from sandbox.answers import Refusal, refuse_missing, text
from sandbox.calls import Call, Reply, whole
from sandbox.faults import ORDERS
from sandbox.lists import cancel_list, place_list, told_list
from sandbox.records import ZERO, Account, Order
from sandbox.terms import check_filters, read_terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.engine import Engine
    from sandbox.faults import Fault, FaultPlan
    from sandbox.limits import Limits
    from sandbox.records import Execution
    from sandbox.terms import Terms

__all__ = ["Private"]

_MOST: Final = 1_000
_USUAL: Final = 500
_UNKNOWN: Final = -2013
_BOTH: Final = 2
_NO_ORDER: Final = "Order does not exist."


class Private:
    """Answers to questions and orders of an account."""

    def __init__(self, engine: Engine, limits: Limits, faults: FaultPlan) -> None:
        self._engine = engine
        self._limits = limits
        self._faults = faults
        self._clock = engine.clock
        read, trade = Security.READ, Security.TRADE
        self.routes: dict[tuple[str, str], tuple[int, Callable[[Call], Reply]]] = {
            ("GET", "/api/v3/account"): (read, self._account),
            ("GET", "/api/v3/account/commission"): (read, self._commission),
            ("GET", "/sapi/v1/account/apiRestrictions"): (read, self._restrictions),
            ("GET", "/sapi/v1/capital/config/getall"): (read, lambda _: Reply("[]")),
            ("GET", "/sapi/v1/asset/tradeFee"): (read, self._trade_fee),
            ("GET", "/api/v3/rateLimit/order"): (read, self._order_limits),
            ("POST", "/api/v3/order"): (trade, self._place),
            ("POST", "/api/v3/order/test"): (trade, self._try),
            ("GET", "/api/v3/order"): (read, self._order),
            ("DELETE", "/api/v3/order"): (trade, self._cancel),
            ("POST", "/api/v3/order/cancelReplace"): (trade, self._cancel_replace),
            ("GET", "/api/v3/openOrders"): (read, self._open_orders),
            ("DELETE", "/api/v3/openOrders"): (trade, self._cancel_all),
            ("GET", "/api/v3/allOrders"): (read, self._all_orders),
            ("GET", "/api/v3/myTrades"): (read, self._trades),
            ("POST", "/api/v3/orderList/oco"): (trade, self._place_list),
            ("POST", "/api/v3/order/oco"): (trade, self._place_list),
            ("GET", "/api/v3/orderList"): (read, self._list),
            ("DELETE", "/api/v3/orderList"): (trade, self._cancel_list),
        }

    def _account(self, call: Call) -> Reply:
        account = call.owner
        rate = text(self._engine.fees.bps / 10_000)
        omit = call.params.get("omitZeroBalances") == "true"
        return Reply.of(
            {
                "makerCommission": int(self._engine.fees.bps),
                "takerCommission": int(self._engine.fees.bps),
                "buyerCommission": 0,
                "sellerCommission": 0,
                "commissionRates": {"maker": rate, "taker": rate, "buyer": "0", "seller": "0"},
                "canTrade": account.can_trade,
                "canWithdraw": account.can_withdraw,
                "canDeposit": True,
                "brokered": False,
                "requireSelfTradePrevention": False,
                "preventSor": False,
                "updateTime": self._clock.told_ms(),
                "accountType": "SPOT",
                "balances": [
                    {"asset": asset, "free": text(one.free), "locked": text(one.locked)}
                    for asset, one in account.balances.items()
                    if not omit or one.free or one.locked
                ],
                "permissions": ["SPOT"],
                "uid": 1,
            }
        )

    def _commission(self, call: Call) -> Reply:
        rate = text(self._engine.fees.bps / 10_000)
        rates = {"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"}
        return Reply.of({"symbol": call.symbol, "standardCommission": rates})

    def _trade_fee(self, _call: Call) -> Reply:
        rate = text(self._engine.fees.bps / 10_000)
        return Reply.of(
            [
                {"symbol": name, "makerCommission": rate, "takerCommission": rate}
                for name in self._engine.listing.symbols
            ]
        )

    def _restrictions(self, call: Call) -> Reply:
        account = call.owner
        return Reply.of(
            {
                "ipRestrict": account.ip_restricted,
                "createTime": self._clock.told_ms(),
                "enableReading": account.can_read,
                "enableWithdrawals": account.can_withdraw,
                "enableInternalTransfer": False,
                "enableMargin": False,
                "enableFutures": False,
                "permitsUniversalTransfer": False,
                "enableVanillaOptions": False,
                "enableFixApiTrade": False,
                "enableFixReadOnly": False,
                "enableSpotAndMarginTrading": account.can_trade,
                "enablePortfolioMarginTrading": False,
            }
        )

    def _order_limits(self, call: Call) -> Reply:
        short, day = self._limits.order_counts(call.owner.name)
        rows = (
            (10, "SECOND", self._limits.orders_10s, short),
            (1, "DAY", self._limits.orders_day, day),
        )
        return Reply.of(
            [
                {
                    "rateLimitType": "ORDERS",
                    "interval": interval,
                    "intervalNum": number,
                    "limit": limit,
                    "count": count,
                }
                for number, interval, limit, count in rows
            ]
        )

    def _fault(self, call: Call, kind: str) -> Fault | None:
        plan = self._faults
        if not plan.script:
            return None
        return plan.take(
            {kind: ORDERS[kind]},
            call.method,
            call.path,
            symbol=call.symbol,
            client=call.client_id,
            key=call.owner.name,
        )

    def _try(self, call: Call) -> Reply:
        terms = read_terms(call.params, self._engine.listing, f"sandbox{call.number}")
        check_filters(terms, self._engine.quote(terms.symbol)[1])
        return Reply("{}")

    def _place(self, call: Call) -> Reply:
        account = call.owner
        terms = read_terms(call.params, self._engine.listing, f"sandbox{call.number}")
        self._limits.count_order(account.name)
        before = len(account.executions.get(terms.symbol.name, ()))
        cut = self._fault(call, "expire_in_match")
        if cut is not None:
            order = self._place_cut(account, terms, cut.ratio, call)
        else:
            order = self._engine.place(account, terms, request=call.number)
        now = self._clock.elapsed_s()
        if (lag := self._fault(call, "query_lag")) is not None:
            order.hidden_until_s = now + lag.seconds
        if (lag := self._fault(call, "trade_lag")) is not None:
            order.trades_hidden_until_s = now + lag.seconds
        if order.executed:
            self._limits.uncount_order(account.name)
        fills = account.executions.get(terms.symbol.name, [])[before:]
        own = [one for one in fills if one.order_id == order.order_id]
        return Reply.of(order.placed(terms.form, own))

    def _place_cut(self, account: Account, terms: Terms, ratio: float, call: Call) -> Order:
        symbol = terms.symbol
        kept = symbol.liquidity
        quantity = terms.quantity or terms.quote_quantity / self._engine.quote(symbol)[1]
        part = quantity * Decimal(str(ratio)) // symbol.step * symbol.step
        symbol.liquidity = part
        try:
            order = self._engine.place(account, terms, request=call.number)
        finally:
            symbol.liquidity = kept
        if order.status == "EXPIRED":
            order.status = "EXPIRED_IN_MATCH"
            self._engine.ledger.changed(order)
        elif not order.is_final:
            self._engine.end(account, order, "EXPIRED_IN_MATCH")
        return order

    def _find(self, call: Call) -> Order:
        account, params = call.owner, call.params
        if not call.symbol:
            refuse_missing("symbol")
        symbol = self._engine.listing.find(call.symbol)
        number = whole(params, "orderId")
        client = params.get("origClientOrderId")
        if number is None and not client:
            message = (
                "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
            raise Refusal(-1102, message)
        self._engine.settle(symbol)
        found = (
            account.orders.get(number)
            if number is not None
            else account.by_client.get((symbol.name, client or ""))
        )
        if found is None or found.symbol != symbol.name or self._is_hidden(found):
            raise Refusal(_UNKNOWN, _NO_ORDER)
        return found

    def _is_hidden(self, order: Order) -> bool:
        return order.hidden_until_s > self._clock.elapsed_s()

    def _order(self, call: Call) -> Reply:
        return Reply.of(self._find(call).told())

    def _cancel(self, call: Call) -> Reply:
        return Reply.of(self._cancelled(call, call.params.get("newClientOrderId")))

    def _cancelled(self, call: Call, own_id: str | None) -> dict[str, Any]:
        try:
            order = self._find(call)
        except Refusal as refusal:
            if refusal.code == _UNKNOWN:
                raise Refusal(-2011, "Unknown order sent.") from None
            raise
        account, engine = call.owner, self._engine
        cancel_id = own_id or f"sandbox{call.number}"
        if not order.is_final and self._fault(call, "fill_wins") is not None:
            price = order.price or engine.quote(engine.listing.find(order.symbol))[order.is_buy]
            engine.fill(account, order, price, order.left, maker=True, at_ms=self._clock.now_ms())
        engine.cancel(account, order, cancel_id)
        if (late := self._fault(call, "late_fill")) is not None:
            self._fill_late(account, order, late)
        told = order.told() | {"origClientOrderId": order.client_id, "clientOrderId": cancel_id}
        told["transactTime"] = order.updated_ms
        return told

    def _fill_late(self, account: Account, order: Order, fault: Fault) -> None:
        symbol = self._engine.listing.find(order.symbol)
        part = order.left * Decimal(str(fault.ratio)) // symbol.step * symbol.step

        def act() -> None:
            price = order.price or self._engine.quote(symbol)[order.is_buy]
            gives, needs = (symbol.quote, price * part) if order.is_buy else (symbol.base, part)
            if part > ZERO and account.balance(gives).free >= needs:
                now = self._clock.now_ms()
                self._engine.fill(account, order, price, part, maker=True, at_ms=now)

        self._engine.later(fault.seconds, act)

    def _cancel_all(self, call: Call) -> Reply:
        account = call.owner
        if not call.symbol:
            refuse_missing("symbol")
        symbol = self._engine.listing.find(call.symbol)
        self._engine.settle(symbol)
        own = [one for one in account.open.values() if one.symbol == symbol.name]
        if not own:
            raise Refusal(-2011, "Unknown order sent.")
        for order in own:
            if not order.is_final:
                self._engine.cancel(account, order, f"sandbox{call.number}")
        return Reply.of([one.told() for one in own])

    def _cancel_replace(self, call: Call) -> Reply:
        mode = call.params.get("cancelReplaceMode")
        if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
            refuse_missing("cancelReplaceMode")
        params = dict(call.params)
        number = params.pop("cancelOrderId", None)
        client = params.pop("cancelOrigClientOrderId", None)
        target = {"symbol": call.symbol}
        target |= {"orderId": number} if number else {"origClientOrderId": client or ""}
        cancel = Call(
            call.number, "DELETE", call.path, target, "", call.key, call.address, call.account
        )
        place = Call(
            call.number, "POST", call.path, params, "", call.key, call.address, call.account
        )
        results: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
        try:
            results["cancelResponse"] = self._cancelled(
                cancel, params.get("cancelNewClientOrderId")
            )
        except Refusal as refusal:
            results |= {"cancelResult": "FAILURE", "cancelResponse": refusal.body()}
            if mode == "STOP_ON_FAILURE":
                results |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
                raise Refusal(-2022, "Order cancel-replace failed.", 400, results) from None
        try:
            results["newOrderResponse"] = _content(self._place(place))
        except Refusal as refusal:
            results |= {"newOrderResult": "FAILURE", "newOrderResponse": refusal.body()}
        failures = [results["cancelResult"], results["newOrderResult"]].count("FAILURE")
        if failures == _BOTH:
            raise Refusal(-2022, "Order cancel-replace failed.", 400, results)
        if failures:
            message = "Order cancel-replace partially failed."
            raise Refusal(-2021, message, 409, results)
        return Reply.of(results)

    def _open_orders(self, call: Call) -> Reply:
        account = call.owner
        if call.symbol:
            self._engine.settle(self._engine.listing.find(call.symbol))
        else:
            for name in {one.symbol for one in account.open.values()}:
                self._engine.settle(self._engine.listing.find(name))
        return Reply.of(
            [
                one.told()
                for one in account.open.values()
                if (not call.symbol or one.symbol == call.symbol) and not self._is_hidden(one)
            ]
        )

    def _all_orders(self, call: Call) -> Reply:
        if not call.symbol:
            refuse_missing("symbol")
        symbol = self._engine.listing.find(call.symbol)
        self._engine.settle(symbol)
        params = call.params
        since, until = whole(params, "startTime", 0) or 0, whole(params, "endTime")
        first = whole(params, "orderId")
        limit = min(whole(params, "limit", _USUAL) or _USUAL, _MOST)
        found = [
            one
            for one in call.owner.orders.values()
            if one.symbol == symbol.name
            and one.created_ms >= since
            and (until is None or one.created_ms <= until)
            and (first is None or one.order_id >= first)
            and not self._is_hidden(one)
        ]
        is_forward = first is not None or since > 0
        return Reply.of([one.told() for one in (found[:limit] if is_forward else found[-limit:])])

    def _trades(self, call: Call) -> Reply:
        if not call.symbol:
            refuse_missing("symbol")
        symbol = self._engine.listing.find(call.symbol)
        self._engine.settle(symbol)
        account, params = call.owner, call.params
        since, until = whole(params, "startTime", 0) or 0, whole(params, "endTime")
        first, of_order = whole(params, "fromId"), whole(params, "orderId")
        if first is not None and (since or until is not None):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        limit = min(whole(params, "limit", _USUAL) or _USUAL, _MOST)
        now = self._clock.elapsed_s()

        def is_wanted(one: Execution) -> bool:
            return (
                one.at_ms >= since
                and (until is None or one.at_ms <= until)
                and (first is None or one.trade_id >= first)
                and (of_order is None or one.order_id == of_order)
                and account.orders[one.order_id].trades_hidden_until_s <= now
            )

        found = [one for one in account.executions.get(symbol.name, ()) if is_wanted(one)]
        is_forward = first is not None or since > 0
        return Reply.of([one.told() for one in (found[:limit] if is_forward else found[-limit:])])

    def _place_list(self, call: Call) -> Reply:
        self._limits.count_order(call.owner.name)
        return Reply.of(place_list(self._engine, call))

    def _list(self, call: Call) -> Reply:
        return Reply.of(told_list(self._engine, call))

    def _cancel_list(self, call: Call) -> Reply:
        return Reply.of(cancel_list(self._engine, call))


def _content(reply: Reply) -> Any:
    return json.loads(reply.text)
