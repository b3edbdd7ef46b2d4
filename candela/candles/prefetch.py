"""Read ahead: the next slice is read and judged while the database takes the one before."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["prefetch"]

Item = TypeVar("Item")
_POLL_S: Final = 0.1


class _End:
    """The producer is done; what it died of, if it did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(  # noqa: C901 - one thread's two halves, which read best together
    items: Iterable[Item], depth: int = 2
) -> Generator[Item]:
    """Yield the items in their order, made by one thread at most ``depth`` ahead.

    An error of the producer is raised here, in its turn. When the consumer stops early, so does
    the producer, after the item that it is at.
    """
    line: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
    is_abandoned = threading.Event()

    def put(item: Item | _End) -> bool:
        while not is_abandoned.is_set():
            try:
                line.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer, not kept
            error = caught
        put(_End(error))

    producer = threading.Thread(target=produce, name="prefetch", daemon=True)
    producer.start()
    try:
        while True:
            item = line.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        is_abandoned.set()
        producer.join()
