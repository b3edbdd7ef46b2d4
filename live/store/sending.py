"""A connection that sends all of a pipeline, however much it is, before it only listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from psycopg.abc import PQGen, PQGenConn
    from psycopg.pq.abc import PGconn

__all__ = ["SendingConnection"]

_Value = TypeVar("_Value")


class SendingConnection(AsyncConnection[TupleRow]):
    """As psycopg's, which in pipeline mode stops to send once the socket takes no more.

    It then waits for an answer to a statement that the server has not read to its end, for ever:
    seen from about 2 MB in one pipeline on.
    """

    async def wait(
        self, gen: PQGen[_Value] | PQGenConn[_Value], *interval: Any, **named: Any
    ) -> _Value:
        """Run an exchange with the server; while anything is left to send, it goes on."""
        return await super().wait(_sent(gen, self.pgconn), *interval, **named)


def _sent(gen: PQGen[_Value] | PQGenConn[_Value], pgconn: PGconn) -> PQGen[_Value]:
    try:
        wanted: Any = next(gen)
        while True:
            if wanted == Wait.R and pgconn.flush():
                ready: Ready | int = yield Wait.RW
                if ready == Ready.W:
                    continue
                # Whoever waits to read knows of nothing else.
                ready &= Ready.R
            else:
                ready = yield wanted
            wanted = gen.send(ready)
    except StopIteration as end:
        value: _Value = end.value
        return value
