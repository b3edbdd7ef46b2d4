"""The fill model walked from event to event: market orders, stops and targets, proportional costs.

Simulates what `candela.fills.full` simulates bar by bar, for the cases that need no bar between
events; both give the same trades.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from candela.compiled import compiled
from candela.fills.exits import advance, find_exit, keep_trade, keep_trade_sums
from candela.fills.records import Reason
from candela.fills.spans import add_returns, add_returns_of_short, mark_one, mark_span, one_return

__all__ = ["walk_events"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

_SIGNAL: Final = int(Reason.SIGNAL)
_STOP: Final = int(Reason.STOP)
_TARGET: Final = int(Reason.TARGET)
_REVERSAL: Final = int(Reason.REVERSAL)
_OPEN: Final = int(Reason.STILL_OPEN)
_LIQUIDATION: Final = int(Reason.LIQUIDATION)
_ALL: Final = 2


@compiled
def walk_events(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    long_entries: Rows,
    long_exits: Rows,
    short_entries: Rows,
    short_exits: Rows,
    stops: Floats,
    targets: Floats,
    at_close: bool,
    entry_stops: bool,
    numbers: Floats,
    blocks: Floats,
    returns: Floats,
    sums: Records,
    trade_sums: Records,
    trades: Records,
) -> int:
    """Simulate one account for each pair of stop and target on the same events.

    Parameters
    ----------
    open_, high, low, close
        (n,) quote per base.
    long_entries, long_exits, short_entries, short_exits
        Rising decision bars, as `clean_events` leaves them.
    stops, targets
        (k,) ratios of the entry price; NaN for none.
    numbers
        cash, taker fee, maker fee, slippage (ratios), sizing kind (0 fraction, 1 value, 2 units),
        its value, maintenance ratio, detail: 0 final equity and orders only, 1 without the third
        and fourth moments, 2 everything.
    blocks
        (2, b): lowest low and highest high of each `BLOCK`.
    returns
        (3, n) of `returns_sums`, or (3, 0) where sums are taken bar by bar.
    sums, trade_sums
        (k,) EQUITY_SUMS and TRADE_SUMS, filled.
    trades
        TRADE, filled for the last account; of length 0 where they are not wanted.

    Returns
    -------
    Trades written.
    """
    rows = len(close)
    cash_0, taker, maker, slip = numbers[0], numbers[1], numbers[2], numbers[3]
    sizing, size, maintenance = int(numbers[4]), numbers[5], numbers[6]
    detail = int(numbers[7])
    by_bar = returns.shape[1] == 0 or sizing != 0 or size != 1.0
    wants_trades = len(trades) > 0
    written = 0
    shift = 0 if at_close else 1
    for run in range(len(sums)):
        written = 0
        stop_ratio, target_ratio = stops[run], targets[run]
        has_stop = not np.isnan(stop_ratio)
        has_target = not np.isnan(target_ratio)
        cash = before = cash_0
        peak = trough = cash_0
        peak_row = -1
        deepest = 0.0
        longest = 0
        sum_1 = sum_2 = sum_3 = sum_4 = down = 0.0
        exposed = orders = rejected = 0
        traded = fees = slipped = 0.0
        closed = wins = losses = 0
        gained = lost = won_returns = lost_returns = all_returns = 0.0
        best = worst = np.nan
        row_wins = row_losses = longest_wins = longest_losses = 0
        at_le: int = 0
        at_lx: int = 0
        at_se: int = 0
        at_sx: int = 0
        decide_from = 0
        exit_row = -1  # a bar whose closing equity is still to be taken
        direction = 0  # of an entry that waits (a reversal), else 0
        entry_row = 0
        still_open = 0
        signed = 0.0
        while True:
            reversed_ = direction != 0
            if not reversed_:
                at_le = advance(long_entries, at_le, decide_from)
                at_se = advance(short_entries, at_se, decide_from)
                next_long = int(long_entries[at_le]) if at_le < len(long_entries) else rows
                next_short = int(short_entries[at_se]) if at_se < len(short_entries) else rows
                decision = min(next_long, next_short)
                entry_row = decision + shift
                if entry_row >= rows:
                    break
                direction = 1 if next_long < next_short else -1
                if cash <= 0.0:
                    rejected += 1
                    decide_from = decision + 1
                    direction = 0
                    continue
            raw = close[entry_row] if at_close else open_[entry_row]
            price = raw * (1.0 + slip) if direction > 0 else raw * (1.0 - slip)
            # --- entry ---
            if sizing == 0:
                units = size * cash / (price * (1.0 + taker))
            else:
                units = size / price if sizing == 1 else size
                units = min(units, cash / (price * (1.0 + taker)))
            if not units > 0.0:
                rejected += 1
                direction = 0
                decide_from = entry_row + 1 - shift
                continue
            # The bar of an exit counts with its close, unless this entry changes it once more.
            if detail and exit_row >= 0 and exit_row != entry_row:
                add = one_return(before, cash)
                sum_1 += add[0]
                sum_2 += add[1]
                sum_3 += add[2]
                sum_4 += add[3]
                down += add[4]
                before = cash
                peak, trough, peak_row, deepest, longest = mark_one(
                    cash, exit_row, peak, trough, peak_row, deepest, longest
                )
            exit_row = -1
            if entry_row > 0 and cash >= peak and before == cash:
                peak_row = entry_row - 1
            value = units * price
            fee = value * taker
            # Money moves in the full simulation's order of operations: ties fall alike.
            flow = -(value + fee) if direction > 0 else value - fee
            cash += flow
            signed = direction * units
            traded += value
            fees += fee
            slip_in = units * abs(price - raw)
            slipped += slip_in
            if not reversed_:
                orders += 1
            if direction > 0:
                stop = price * (1.0 - stop_ratio) if has_stop else -np.inf
                target = price * (1.0 + target_ratio) if has_target else np.inf
                liquidation = -np.inf
            else:
                stop = price * (1.0 + stop_ratio) if has_stop else np.inf
                target = price * (1.0 - target_ratio) if has_target else -np.inf
                liquidation = cash / (units * (1.0 + maintenance))
            # --- the decision that ends it ---
            first = entry_row + 1 - shift
            if direction > 0:
                at_lx = advance(long_exits, at_lx, first)  # pyright: ignore[reportUnknownArgumentType]
                at_se = advance(short_entries, at_se, first)  # pyright: ignore[reportUnknownArgumentType]
                leave = int(long_exits[at_lx]) if at_lx < len(long_exits) else rows
                turn = int(short_entries[at_se]) if at_se < len(short_entries) else rows
            else:
                at_sx = advance(short_exits, at_sx, first)  # pyright: ignore[reportUnknownArgumentType]
                at_le = advance(long_entries, at_le, first)  # pyright: ignore[reportUnknownArgumentType]
                leave = int(short_exits[at_sx]) if at_sx < len(short_exits) else rows
                turn = int(long_entries[at_le]) if at_le < len(long_entries) else rows
            turns = turn <= leave
            leave = min(leave, turn)
            leave_row = leave + shift
            # --- stops before it ---
            out_row, out_raw, reason = -1, 0.0, _SIGNAL
            if has_stop or has_target or direction < 0:
                last = min(leave_row - shift, rows - 1)
                out_row, out_raw, reason = find_exit(
                    entry_row + 1 if at_close else entry_row,
                    last,
                    -1 if at_close else entry_row,
                    entry_stops,
                    direction,
                    stop,
                    liquidation,
                    target,
                    open_,
                    high,
                    low,
                    blocks[0],
                    blocks[1],
                )
            is_limit = out_row >= 0 and reason == _TARGET
            follows = False
            if out_row < 0 and leave_row < rows:
                out_row = leave_row
                if at_close:
                    out_raw, reason, follows = close[out_row], _SIGNAL, turns
                else:
                    out_raw, reason, follows = open_[out_row], _SIGNAL, turns
                    nearest = stop
                    kind = _STOP
                    if direction < 0 and liquidation < stop:
                        nearest, kind = liquidation, _LIQUIDATION
                    if (direction > 0 and out_raw <= nearest) or (
                        direction < 0 and out_raw >= nearest
                    ):
                        reason, follows = kind, False
                if follows:
                    reason = _REVERSAL
            # --- held closes: [entry_row, until) ---
            until = out_row if out_row >= 0 else rows
            exposed += until - entry_row
            if detail and until > entry_row:
                now = max(cash + signed * close[entry_row], 0.0)
                add = one_return(before, now)
                sum_1 += add[0]
                sum_2 += add[1]
                sum_3 += add[2]
                sum_4 += add[3]
                down += add[4]
                if by_bar or direction < 0:
                    add = (
                        add_returns(entry_row + 1, until, cash, signed, close)
                        if direction > 0
                        else add_returns_of_short(entry_row + 1, until, cash, signed, close)
                    )
                    sum_1 += add[0]
                    sum_2 += add[1]
                    sum_3 += add[2]
                    sum_4 += add[3]
                    down += add[4]
                else:
                    sum_1 += returns[0, until - 1] - returns[0, entry_row]
                    sum_2 += returns[1, until - 1] - returns[1, entry_row]
                    down += returns[2, until - 1] - returns[2, entry_row]
                before = max(cash + signed * close[until - 1], 0.0)
                peak, trough, peak_row, deepest, longest = mark_span(
                    entry_row,
                    until,
                    cash,
                    signed,
                    close,
                    peak,
                    trough,
                    peak_row,
                    deepest,
                    longest,
                )
            # --- exit ---
            if out_row >= 0:
                if is_limit:
                    left = out_raw
                    fee_out = units * left * maker
                elif direction > 0:
                    left = out_raw * (1.0 - slip)
                    fee_out = units * left * taker
                else:
                    left = out_raw * (1.0 + slip)
                    fee_out = units * left * taker
                value_out = units * left
                paid = value_out - fee_out if direction > 0 else -(value_out + fee_out)
                cash += paid
                slip_out = units * abs(left - out_raw)
                pnl = flow + paid
                traded += value_out
                fees += fee_out
                slipped += slip_out
                orders += 1
                if cash < 0.0:  # a gap may pass stop and liquidation alike
                    pnl -= cash  # the venue bears what the account cannot
                    cash = 0.0
                closed += 1
                exit_row = out_row
            else:
                left = close[rows - 1]
                fee_out = slip_out = 0.0
                pnl = flow + signed * left
                reason = _OPEN
                still_open = 1
            ratio = pnl / value if detail else 0.0
            if detail and out_row >= 0:
                all_returns += ratio
                best = ratio if closed == 1 else max(best, ratio)
                worst = ratio if closed == 1 else min(worst, ratio)
                if pnl > 0.0:
                    wins += 1
                    gained += pnl
                    won_returns += ratio
                    row_wins += 1
                    row_losses = 0
                    longest_wins = max(longest_wins, row_wins)
                elif pnl < 0.0:
                    losses += 1
                    lost -= pnl
                    lost_returns += ratio
                    row_losses += 1
                    row_wins = 0
                    longest_losses = max(longest_losses, row_losses)
                else:
                    row_wins = row_losses = 0
            if wants_trades:
                keep_trade(
                    trades[written],
                    (entry_row, out_row, direction, reason),
                    (units, price, left, fee + fee_out, slip_in + slip_out, pnl, ratio),
                )
            written += 1
            if out_row < 0:
                direction = 0
                break
            if follows:
                direction = -direction
                entry_row = out_row
                # The account may be too small for the other side.
                if cash <= 0.0:
                    rejected += 1
                    direction = 0
                    decide_from = out_row + 1 - shift
                continue
            direction = 0
            decide_from = out_row + 1 if at_close and reason == _SIGNAL else out_row
        final = cash
        if still_open:
            final = max(cash + signed * close[rows - 1], 0.0)
        if detail and exit_row >= 0:
            add = one_return(before, cash)
            sum_1 += add[0]
            sum_2 += add[1]
            sum_3 += add[2]
            sum_4 += add[3]
            down += add[4]
            peak, trough, peak_row, deepest, longest = mark_one(
                cash, exit_row, peak, trough, peak_row, deepest, longest
            )
        if not still_open and final >= peak:
            peak_row = rows - 1
        if trough < peak:
            deepest = max(deepest, (peak - trough) / peak)
            longest = max(longest, rows - 1 - peak_row)
        one = sums[run]
        one["bars"] = rows
        one["initial"] = cash_0
        one["final"] = final
        one["sum_r"] = sum_1
        one["sum_r2"] = sum_2
        one["sum_r3"] = sum_3 if detail == _ALL else np.nan
        one["sum_r4"] = sum_4 if detail == _ALL else np.nan
        one["sum_down2"] = down
        one["max_drawdown"] = deepest
        one["longest_drawdown"] = longest
        one["exposed"] = exposed
        one["traded"] = traded
        one["fees"] = fees
        one["slippage"] = slipped
        one["funding"] = 0.0
        one["orders"] = orders
        one["rejected"] = rejected
        keep_trade_sums(
            trade_sums[run],
            (closed, still_open, wins, losses, longest_wins, longest_losses),
            (gained, lost, won_returns, lost_returns, all_returns, best, worst),
        )
    return written
