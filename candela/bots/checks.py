"""What makes a bot or an order impossible, found before anything of it is written or sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from candela.bots.config import BadBotConfig
from candela.bots.definition import LONGEST_WARM_UP
from candela.errors import Conflict, RiskHalt, StrategyError
from candela.money import decimal_of, floored, plain
from candela.payout.ladder import Ladder

if TYPE_CHECKING:
    from candela.bots.config import BotConfig
    from candela.bots.definition import Definition
    from candela.bots.market import Market
    from candela.payout.assessment import RuinEstimate
    from candela.risk.limits import Martingale

__all__ = [
    "AmountBelowMinimum",
    "BadOrder",
    "RuinNotRead",
    "SymbolNotTrading",
    "TooManyBars",
    "check_bot",
    "check_order",
    "largest_entry",
    "ruin_of",
]


class TooManyBars(StrategyError):
    """The strategy looks further back than is kept at hand for a bot."""

    code = "too_many_bars"


class AmountBelowMinimum(StrategyError):
    """The venue takes no order as small as that."""

    code = "amount_below_minimum"


class SymbolNotTrading(Conflict):
    """The venue lists the symbol, and does not trade it now."""

    code = "symbol_not_trading"


class RuinNotRead(RiskHalt):
    """Stakes that grow after losses are wanted, and their risk of ruin was not acknowledged."""

    code = "ruin_not_read"


class BadOrder(StrategyError):
    """An order that the venue would not take."""

    code = "bad_order"


def check_bot(config: BotConfig, definition: Definition, market: Market, quote_ccy: str) -> None:
    """Refuse a bot that could never trade as it is configured.

    Parameters
    ----------
    quote_ccy
        Currency of the account that it would trade.

    Raises
    ------
    BadBotConfig
        Its strategy needs payout terms, or has none to need; or the account has another currency.
    SymbolNotTrading
        The symbol is halted or delisted.
    AmountBelowMinimum
        Its largest entry is below what the venue takes.
    RuinNotRead
        Stakes grow after losses, and nobody acknowledged the estimate of exactly that ladder.
    TooManyBars
        The strategy looks back further than bars are kept, or on all since the first.
    """
    if definition.warm_up > LONGEST_WARM_UP:
        message = f"{config.strategy} looks back {definition.warm_up:,} bars as it is set."
        hint = f"A bot may look back {LONGEST_WARM_UP:,}: more would depend on where they begin."
        raise TooManyBars(message, hint)
    _check_kind(config, definition.kind)
    _check_trading(market)
    quote = market.rules.quote
    if definition.kind == "spot" and quote != quote_ccy:
        message = f"{config.symbol} is traded in {quote}, the account is kept in {quote_ccy}."
        raise BadBotConfig(message, f"Take a symbol in {quote_ccy}, or another account.")
    if definition.kind == "spot":
        _check_amount(config, market)
    _check_ladder(config)


def check_order(
    market: Market, kind: Literal["market", "limit"], quantity: Decimal, price: Decimal | None
) -> None:
    """Refuse an order by hand that the venue would refuse.

    Parameters
    ----------
    quantity, price
        Base, and quote per base of a limit order.

    Raises
    ------
    BadOrder
        An amount off the grid, a limit order without price, or a market order with one.
    SymbolNotTrading, AmountBelowMinimum
        As for a bot.
    """
    _check_trading(market)
    rules = market.rules
    if (kind == "limit") != (price is not None):
        words = "needs a price" if kind == "limit" else "has no price"
        raise BadOrder(f"A {kind} order {words}.", "Give a price for a limit order, and only then.")
    for name, value, step in (
        ("quantity", quantity, rules.lot),
        ("price", price, rules.tick),
    ):
        if value is None:
            continue
        if not value.is_finite() or value <= 0:
            raise BadOrder(f"A {name} of {value} is not above 0.", "Give a positive number.")
        if floored(value, step) != value:
            near = plain(floored(value, step))
            message = f"{market.instrument} takes a {name} in steps of {plain(step)}, not {value}."
            raise BadOrder(message, f"The next one below is {near}.")
    _check_quantity(market, quantity)
    if price is not None:
        _check_value(market, quantity * price)


def largest_entry(config: BotConfig) -> Decimal | None:
    """Return the most that a first entry can be worth in the quote currency; None: not known.

    Fixed units are worth what the price makes of them.
    """
    sizing = config.sizing
    room = config.capital * min(Decimal(1), decimal_of(sizing.cap))
    if config.martingale is not None:
        room = min(room, max(config.martingale.stakes))
    elif sizing.kind == "fixed_units":
        return None
    elif sizing.kind == "fixed_value":
        room = min(room, decimal_of(sizing.value))
    elif sizing.kind == "fraction":
        room = min(room, config.capital * decimal_of(sizing.value))
    cap = config.limits.capital_per_trade
    return room if cap is None else min(room, cap)


def ruin_of(
    martingale: Martingale,
    *,
    payout_ratio: Decimal,
    bankroll: Decimal,
    win_rate: float,
    rounds: int,
) -> RuinEstimate:
    """Return the risk of a bot's ladder, to be read before it is acknowledged.

    Parameters
    ----------
    payout_ratio
        Profit of a win over its stake.
    rounds
        The horizon to say it for.
    """
    # Compiled loops: a process that never shows an estimate, such as a door, does not load them.
    from candela.payout.assessment import assess

    ladder = Ladder(
        first_stake=martingale.first_stake,
        payout=payout_ratio,
        bankroll=bankroll,
        factor=martingale.factor,
        steps=martingale.steps,
        max_stake=martingale.largest_stake,
        money_step=martingale.money_step,
    )
    return assess(ladder, win_rate, horizons=(rounds,))


def _check_kind(config: BotConfig, kind: str) -> None:
    if kind == "fixed_payout" and config.payout is None:
        message = f"{config.strategy} bets on fixed payouts, and the bot has no payout terms."
        raise BadBotConfig(message, "Give payout: the profit of a win over its stake.")
    if kind == "spot" and config.payout is not None:
        message = f"{config.strategy} buys and sells, so payout terms mean nothing to it."
        raise BadBotConfig(message, "Leave payout out.")


def _check_trading(market: Market) -> None:
    if not market.rules.is_trading:
        message = f"{market.instrument} is not traded at the moment."
        raise SymbolNotTrading(message, "Take another symbol, or wait until it trades again.")


def _check_amount(config: BotConfig, market: Market) -> None:
    value = largest_entry(config)
    if value is None:
        _check_quantity(market, floored(decimal_of(config.sizing.value), market.rules.lot))
    else:
        _check_value(market, value)


def _check_quantity(market: Market, quantity: Decimal) -> None:
    rules = market.rules
    least = max(rules.minimum_quantity, rules.lot)
    if quantity < least:
        message = (
            f"{plain(quantity)} {rules.base} is below the {plain(least)} {rules.base} that"
            f" {market.instrument.venue} takes at least."
        )
        raise AmountBelowMinimum(message, "Give a larger quantity.")
    if 0 < rules.maximum_quantity < quantity:
        message = (
            f"{plain(quantity)} {rules.base} is above the {plain(rules.maximum_quantity)}"
            f" {rules.base} that {market.instrument.venue} takes at most."
        )
        raise BadOrder(message, "Give a smaller quantity.")


def _check_value(market: Market, value: Decimal) -> None:
    rules = market.rules
    if value >= rules.minimum_notional:
        return
    message = (
        f"An order of {plain(value)} {rules.quote} is below the {plain(rules.minimum_notional)}"
        f" {rules.quote} that {market.instrument.venue} takes at least for {rules.symbol}."
    )
    raise AmountBelowMinimum(message, "Give more capital, or a larger size.")


def _check_ladder(config: BotConfig) -> None:
    ladder = config.martingale
    if ladder is None or ladder.is_acknowledged:
        return
    message = (
        f"Stakes that grow {plain(ladder.factor)} times after each loss are wanted, and their risk"
        " of ruin was not acknowledged."
    )
    raise RuinNotRead(message, "Read the estimate, then acknowledge it; or leave martingale out.")
