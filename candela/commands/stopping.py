"""Stopping long work in good order: the first signal asks, the second one insists."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

__all__ = ["stop_on_signal"]


@contextmanager
def stop_on_signal() -> Generator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM asked to stop.

    A second signal acts as it always does.
    """
    is_asked = False

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal is_asked
        is_asked = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
