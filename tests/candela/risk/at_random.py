"""Orders, facts and limits at random, and a second reading of stored gates."""

from __future__ import annotations

import operator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from candela.orders.words import InstrumentRules
from candela.plans import PLANS
from candela.risk.facts import BarSeen, EntryRequest, Halt, RiskFacts
from candela.risk.history import Settled
from candela.risk.limits import Martingale, RiskLimits, RuinAcknowledgement, TradingHours

NOW = datetime(2026, 3, 4, 12, 0, 5, tzinfo=UTC)  # a Wednesday
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

cents = st.integers(0, 30_000).map(lambda whole: Decimal(whole) / 100)
signed = st.integers(-30_000, 30_000).map(lambda whole: Decimal(whole) / 100)
amounts = st.integers(1, 30_000).map(lambda whole: Decimal(whole) / 100)
ratios = st.integers(1, 60).map(lambda whole: Decimal(whole) / 100)
lots = st.sampled_from(["0", "0.00001", "0.001", "0.01", "0.25", "1", "7"]).map(Decimal)

rules = st.builds(
    InstrumentRules,
    symbol=st.just("BTC/USDT"),
    base=st.just("BTC"),
    quote=st.just("USDT"),
    lot=lots,
    minimum_quantity=st.sampled_from(["0", "0.001", "1"]).map(Decimal),
    maximum_quantity=st.sampled_from(["0", "50"]).map(Decimal),
    minimum_notional=st.sampled_from(["0", "5", "10", "100"]).map(Decimal),
    taker_fee=st.sampled_from(["0", "0.001"]).map(Decimal),
    is_trading=st.sampled_from([True, True, True, False]),
)
settled = st.lists(
    st.builds(
        Settled,
        trade_id=st.integers(0, 12).map(str),
        settled_at=st.integers(0, 500).map(lambda ago: NOW - timedelta(minutes=ago)),
        outcome=st.sampled_from(["win", "loss", "loss", "draw", "unknown"]),
        pnl=signed,
    ),
    max_size=14,
)
ACKNOWLEDGED = RuinAcknowledgement(
    first_stake=Decimal(2),
    factor=Decimal(2),
    steps=4,
    largest_stake=Decimal(10),
    payout_ratio=Decimal("0.8"),
    bankroll=Decimal(1000),
    win_rate=0.55,
    rounds=1000,
    ruin_ratio=0.01,
    acknowledged_at=NOW,
)
LADDER = Martingale(
    first_stake=Decimal(2), steps=4, largest_stake=Decimal(10), acknowledgement=ACKNOWLEDGED
)
limits = st.builds(
    RiskLimits,
    stop_loss_ratio=st.none() | ratios,
    trailing_stop_ratio=st.none() | ratios,
    capital_per_trade=st.none() | amounts,
    symbol_exposure=st.none() | amounts,
    total_exposure=st.none() | amounts,
    open_positions=st.none() | st.integers(1, 4),
    trades_per_day=st.none() | st.integers(1, 6),
    daily_loss=st.none() | amounts,
    daily_profit=st.none() | amounts,
    trading_hours=st.none()
    | st.sampled_from([("wed 09:00-17:30",), ("tue-fri 20:00-13:00",), ("sat 00:00-24:00",)]).map(
        lambda windows: TradingHours(windows=windows)
    ),
    loss_streak=st.none() | st.integers(1, 6),
    drawdown_ratio=st.none() | ratios,
    cool_down_s=st.sampled_from([0, 60, 86_400]),
    bad_bar=st.sampled_from(["skip", "hold", "flatten"]),
    martingale=st.sampled_from(
        [None, None, LADDER, LADDER.model_copy(update={"acknowledgement": None})]
    ),
)
bars = st.builds(
    BarSeen,
    closed_at=st.integers(-5, 200).map(lambda ago: NOW - timedelta(seconds=ago)),
    interval=st.just(timedelta(minutes=1)),
    status=st.sampled_from(["ok", "ok", "ok", "missing_bar", "quarantined_bar", "stale_bar"]),
    bars_since_bad=st.none() | st.integers(1, 30),
    lookback=st.integers(0, 30),
)
entries = st.builds(
    EntryRequest,
    kind=st.sampled_from(["spot", "fixed_payout"]),
    mode=st.sampled_from(["paper", "live"]),
    symbol=st.just("BTC/USDT"),
    quantity=st.integers(0, 4000).map(lambda whole: Decimal(whole) / 1000),
    price=amounts,
    stake=cents,
    payout_ratio=st.none() | st.sampled_from(["0.7", "0.8", "0.92"]).map(Decimal),
    rules=st.none() | rules,
    bar=st.none() | bars,
    valid_until=st.none() | st.integers(-5, 60).map(lambda left: NOW + timedelta(seconds=left)),
    is_leg=st.booleans(),
    ladder_step=st.none() | st.integers(0, 3),
    fee_in_base_ratio=st.sampled_from(["0", "0.001"]).map(Decimal),
    usd_per_ccy=st.none() | st.sampled_from(["1", "60000"]).map(Decimal),
)
facts = st.builds(
    RiskFacts,
    zone=st.sampled_from(["UTC", "Europe/Madrid", "America/New_York"]),
    halts=st.lists(
        st.builds(
            Halt,
            scope=st.sampled_from(["platform", "tenant", "account", "bot"]),
            reason=st.text(max_size=10),
            since=st.just(NOW),
            flatten=st.booleans(),
        ),
        max_size=1,
    ).map(tuple),
    bot_state=st.sampled_from(["running", "running", "running", "blocked", "stopping", None]),
    account_state=st.sampled_from(["active", "active", "blocked", None]),
    plan_in_force=st.sampled_from([True, True, False]),
    symbols_in_use=st.frozensets(st.sampled_from(["BTC/USDT", "ETH/USDT"])),
    tenant_trades_today=st.integers(0, 60),
    tenant_capital=cents,
    trades_today=st.integers(0, 6),
    realised_today=signed,
    open_mark=signed,
    open_stakes=cents,
    open_positions=st.integers(0, 4),
    exposure=cents,
    symbol_exposure=cents,
    position_cost=cents,
    held=cents,
    equity=cents,
    peak_equity=cents,
    loss_streak=st.integers(0, 6),
    last_loss_at=st.none() | st.integers(0, 900).map(lambda ago: NOW - timedelta(seconds=ago)),
    settled=settled.map(tuple),
    unsettled=st.sampled_from([0, 0, 1]),
    free=st.none() | cents,
)
plans = st.sampled_from(list(PLANS.values()))


def calm(some: RiskFacts) -> RiskFacts:
    """Return facts without halts and states that refuse everything."""
    return replace(
        some,
        halts=(),
        bot_state="running",
        account_state="active",
        plan_in_force=True,
        tenant_trades_today=0,
        tenant_capital=Decimal(0),
    )


def small(some: EntryRequest) -> EntryRequest:
    """Return an entry that little but its size speaks against."""
    return replace(
        some,
        mode="paper",
        price=some.price / 10,
        stake=some.stake / 50,
        bar=None,
        valid_until=None,
        ladder_step=None,
        usd_per_ccy=Decimal(1),
    )


_COMPARED = {
    "at_most": operator.le,
    "below": operator.lt,
    "at_least": operator.ge,
    "above": operator.gt,
    "equal": operator.eq,
}


def passes(gate: dict[str, Any]) -> bool:
    """Decide a stored gate again, from nothing but what was stored."""
    value, rule, limit = gate["value"], gate["rule"], gate["limit"]
    if limit is None:
        return True
    if value is None:
        return False
    if rule == "one_of":
        return value in limit
    if rule == "within":
        return _within(value, limit)
    return bool(_COMPARED[rule](_read(value), _read(limit)))


def _read(stored: Any) -> Any:
    try:
        return Decimal(stored)
    except ArithmeticError:
        pass
    try:
        return datetime.fromisoformat(stored)
    except ValueError:
        return stored


def _within(value: str, windows: list[str]) -> bool:
    day, _, clock, _ = value.split(" ")
    at = time.fromisoformat(clock)
    for window in windows:
        span, hours = window.split(" ")
        first, _, last = span.partition("-")
        inside = _days(first, last or first)
        start, end = hours.split("-")
        begins = time.fromisoformat(start)
        ends = time.max if end == "24:00" else time.fromisoformat(end)
        before = DAYS[DAYS.index(day) - 1]
        if begins < ends:
            if day in inside and begins <= at <= ends and at.isoformat("minutes") != end:
                return True
        elif (day in inside and at >= begins) or (before in inside and at < ends):
            return True
    return False


def _days(first: str, last: str) -> set[str]:
    start, stop = DAYS.index(first), DAYS.index(last)
    return {DAYS[(start + ahead) % 7] for ahead in range((stop - start) % 7 + 1)}
