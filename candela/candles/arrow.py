"""Query results as polars frames through ADBC: Arrow all the way, no row turned into objects."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

import polars as pl

from candela.errors import CandelaError

if TYPE_CHECKING:
    from types import TracebackType

    import adbc_driver_manager

__all__ = ["ArrowSession", "QueryFailed"]


class QueryFailed(CandelaError):
    """The database refused a read or went away during it."""

    code = "query_failed"


class ArrowSession:
    """A read-only database session whose statements all see the same snapshot.

    Parameters
    ----------
    url
        libpq URI of the database, for the role that reads.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = ExitStack()
        self._connection: adbc_driver_manager.AdbcConnection | None = None

    def __enter__(self) -> Self:
        # The DB-API face of the driver would load pandas through pyarrow.dataset; the manager
        # below it does not.
        import adbc_driver_manager
        import adbc_driver_postgresql

        try:
            database = self._open.enter_context(
                closing(
                    adbc_driver_manager.AdbcDatabase(
                        driver=adbc_driver_postgresql._driver_path(),  # noqa: SLF001 - as its dbapi
                        uri=self._url,
                    )
                )
            )
            self._connection = self._open.enter_context(
                closing(adbc_driver_manager.AdbcConnection(database))
            )
            self._do("SET TIME ZONE 'UTC'")
            self._do("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        except adbc_driver_manager.Error as error:
            self._open.close()
            raise QueryFailed(
                f"The database cannot be read: {_first_line(error)}",
                "`candela status` tells whether it runs.",
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _statement(self, text: str) -> adbc_driver_manager.AdbcStatement:
        import adbc_driver_manager

        if self._connection is None:
            message = "The session is not open."
            raise QueryFailed(message, "Use it in a with statement.")
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        statement.set_sql_query(text)  # pyright: ignore[reportUnknownMemberType]
        return statement

    def _do(self, text: str) -> None:
        with closing(self._statement(text)) as statement:
            statement.execute_update()  # pyright: ignore[reportUnknownMemberType]

    def frame(self, query: str) -> pl.DataFrame:
        """Return the rows of one SELECT.

        Parameters
        ----------
        query
            Its values are rendered by the caller with `psycopg.sql`: the COPY protocol that makes
            this fast takes no parameters.

        Raises
        ------
        QueryFailed
            The server refused the statement or went away.
        """
        import adbc_driver_manager

        try:
            with closing(self._statement(query)) as statement:
                stream, _ = statement.execute_query()  # pyright: ignore[reportUnknownMemberType]
                return pl.DataFrame(stream)
        except adbc_driver_manager.Error as error:
            raise QueryFailed(f"The database refused a read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    # libpq's messages may go on with the connection string, which can hold a password.
    return str(error).splitlines()[0]
