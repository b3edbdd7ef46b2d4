"""Deliberate bugs: texts of the code, what somebody could have written instead, what shows it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Edit", "Mutant"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that stands in a file exactly once, and what stands there instead."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug that somebody could have written.

    Parameters
    ----------
    seeds
        Of histories that catch it, as ``first:last``.
    caught_as
        Part of a breach that it leads to.
    stalls
        Share of pauses at which the process is stopped for up to a minute; None: as faults say.
    kills
        The same of those at which it is killed.
    test
        What catches it instead, where a history would need too much luck.
    """

    name: str
    meaning: str
    edits: tuple[Edit, ...]
    caught_as: str
    seeds: str = "0:20"
    faults: float = 0.1
    stalls: float | None = None
    kills: float | None = None
    test: str | None = None


_FENCE = "candela/orders/fence.py"
_BOOKING = "candela/orders/booking.py"
_WORK = "live/desk/work.py"
_MEMORY = "live/store/memory.py"
_BOOKS = "live/store/memory_books.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "no_fence",
        "an order that the venue does not know is held to be absent without waiting",
        (Edit(_FENCE, "timedelta(seconds=SEND_WITHIN_S + fence_s)", "timedelta(seconds=0.0)"),),
        "executed 2 times",
    ),
    Mutant(
        "not_found_is_absent",
        "one answer of 'not known' is proof",
        (
            Edit(
                "live/desk/evidence.py",
                "        if verdict is Verdict.ABSENT:",
                "        if verdict is Verdict.ABSENT or evidence.is_known is False:",
            ),
        ),
        "executed 2 times",
    ),
    Mutant(
        "silence_is_absence",
        "a question without an answer is read as 'no'",
        (
            Edit(
                "live/desk/evidence.py",
                "            return Evidence(asked_at)\n",
                "            return Evidence(order.fence_at or asked_at, False, False, False)\n",
            ),
        ),
        "orphan",
        faults=0.2,
    ),
    Mutant(
        "same_id_again",
        "after a lost answer the same order is sent once more under its id",
        (
            Edit(
                _WORK,
                "            outcome = await self._broker.submit(request)\n",
                "            outcome = await self._broker.submit(request)\n"
                "            if outcome.kind is OutcomeKind.UNKNOWN:\n"
                "                outcome = await self._broker.submit(request)\n",
            ),
        ),
        "executed 2 times",
    ),
    Mutant(
        "lost_answer_is_refusal",
        "a 5xx or a time-out ends the attempt as rejected",
        (
            Edit(
                _WORK,
                "await keeper.change(order, OrderState.UNKNOWN, reason)",
                "await keeper.change(order, OrderState.REJECTED, reason)",
            ),
        ),
        "orphan",
    ),
    Mutant(
        "send_first",
        "the order is sent before it is written",
        (
            Edit(
                _WORK,
                "        if await self._keeper.begin(order):\n",
                "        await self._send(order)\n        if await self._keeper.begin(order):\n",
            ),
        ),
        "without having been written",
    ),
    Mutant(
        "late_send",
        "a process that was stopped between writing and sending sends all the same",
        (
            Edit(
                _WORK,
                "        keeper.lease()\n        if self._clock.now() > send_by:",
                "        if self._clock.now() < order.created_at:",
            ),
            Edit(_WORK, "            send_by,\n        )", "            None,\n        )"),
        ),
        "orphan",
        seeds="0:60",
        stalls=0.01,
    ),
    Mutant(
        "no_unique_key",
        "a bar that comes twice is decided on twice",
        (
            Edit(
                _MEMORY,
                "if decision_key(decision) in books.decisions or "
                "decision_key(intent) in books.intent_keys:",
                "if intent.intent_id in books.intents:",
            ),
        ),
        "has 2 intents",
    ),
    Mutant(
        "no_epoch",
        "whoever had the lease before may still write orders",
        (Edit(_MEMORY, "if lease.epoch != held:", "if lease.epoch > held:"),),
        "is still",
        seeds="0:60",
        stalls=0.01,
    ),
    Mutant(
        "float_rounding",
        "quantities are put on the grid in floating point",
        (
            Edit(
                "candela/money.py",
                "    return EXACT.multiply(steps, step)",
                "    return Decimal(float(steps) * float(step))",
            ),
        ),
        "filter breach",
    ),
    Mutant(
        "cumulative_as_increment",
        "an execution is added to the cumulative quantity that the venue shows",
        (
            Edit(
                _BOOKING,
                "_plus(order.executed, execution.quantity)",
                "_plus(order.venue_executed, execution.quantity)",
            ),
        ),
        "lost fill",
        seeds="0:60",
    ),
    Mutant(
        "filled_without_fills",
        "an intent is done as soon as the venue says so, with executions still missing",
        (
            Edit(
                _BOOKING,
                "order_after.executed >= order.quantity\n",
                "order_after.state is OrderState.FILLED\n",
            ),
        ),
        "executions_missing",
        test="tests/candela/orders/test_booking.py",
    ),
    Mutant(
        "empty_balance_is_flat",
        "what the venue does not show any more is booked away",
        (
            Edit(
                "live/desk/reconcile.py",
                "        if touched:\n",
                "        if touched and not held:\n",
            ),
        ),
        "never_booked_away",
        test="tests/live/desk/test_troubles.py",
    ),
    Mutant(
        "one_poisons_all",
        "a mistake in a broker's adapter ends the process instead of leaving an unknown order",
        (Edit(_WORK, "        except Exception as fault:", "        except KeyError as fault:"),),
        "throws_while_sending",
        test="tests/live/desk/test_troubles.py",
    ),
    Mutant(
        "fills_twice",
        "an execution that comes again is booked again",
        (
            Edit(
                _MEMORY,
                "twin = fresh.setdefault(key, execution) if known is None else execution",
                "twin = fresh.setdefault(key, execution)",
            ),
        ),
        "its fills say",
    ),
    Mutant(
        "late_fill_dropped",
        "what fills after its order was canceled is not booked",
        (
            Edit(
                _MEMORY,
                "            if order is None:\n                changed.unknown",
                "            if order is None or order.state is OrderState.CANCELED:\n"
                "                changed.unknown",
            ),
        ),
        "lost fill",
    ),
    Mutant(
        "no_sweep",
        "what the stream lost is never asked for",
        (
            Edit(
                "live/desk/reconcile.py",
                "            await self._keeper.book(executions)\n",
                "            del executions\n",
            ),
        ),
        "lost fill",
        seeds="0:120",
        faults=0.2,
    ),
    Mutant(
        "base_fee_ignored",
        "a fee in base is taken to have arrived",
        (
            Edit(
                _BOOKING,
                "        moved = _less(moved, fee) if execution.side is Side.BUY "
                "else _plus(moved, fee)\n",
                "",
            ),
        ),
        "its fills say",
    ),
    Mutant(
        "never_released",
        "a final intent goes on holding money back",
        (
            Edit(
                _BOOKS,
                "            self._hold_back(intent, replace(held, amount=ZERO))\n",
                "            del held\n",
            ),
        ),
        "is final and holds back",
    ),
    Mutant(
        "released_twice",
        "the end of an intent gives back what was given back before",
        (
            Edit(
                _BOOKS,
                "            self._hold_back(intent, replace(held, amount=ZERO))\n",
                "            self._hold_back(intent, replace(held, amount=ZERO))\n"
                "            self._hold_back(intent, replace(held, amount=-held.amount))\n",
            ),
        ),
        "holds back",
    ),
    Mutant(
        "cancel_refused_is_an_error",
        "the desk falls over an order that filled before it could be canceled",
        (
            Edit(
                _WORK,
                "            elif outcome.kind is OutcomeKind.CREDENTIALS_DEAD:\n"
                "                self._line.dead()\n",
                "            elif outcome.kind is OutcomeKind.REFUSED:\n"
                "                raise ValueError(outcome.reason)\n",
            ),
        ),
        "a desk failed",
    ),
    Mutant(
        "halt_stops_exits",
        "a kill switch keeps positions from being closed",
        (
            Edit(
                _MEMORY,
                "self._entry_refusal(commit) if commit.is_entry else None",
                "self._entry_refusal(commit)",
            ),
        ),
        "an exit was refused by halt",
    ),
    Mutant(
        "stale_entry",
        "what lapsed while the venue was away is sent when it is back",
        (
            Edit(
                _WORK,
                "if intent.valid_until is not None and self._clock.now() >= intent.valid_until:",
                "if intent.valid_until is not None and intent.valid_until < intent.created_at:",
            ),
            Edit(
                "live/desk/line.py",
                "                    if left_s <= 0:\n                        return False\n",
                "                    if left_s <= 0:\n                        return True\n",
            ),
        ),
        "after its intent had lapsed",
        seeds="0:60",
        faults=0.3,
    ),
    Mutant(
        "start_without_resolving",
        "what was under way when the process died is left alone",
        (
            Edit(
                "live/desk/desk.py",
                "            self._work(intent_id)\n        self._spawn(self._listen())",
                "            del intent_id\n        self._spawn(self._listen())",
            ),
        ),
        "is still",
    ),
)
