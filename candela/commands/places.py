"""Where a command works: settings read, servers running, schema current."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from candela.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg

    from candela.commands.output import Output
    from candela.embedded import Places
    from candela.settings import Settings

__all__ = ["open_command", "pipelines_connection"]


def open_command(output: Output, *, migrated: bool = True) -> tuple[Settings, Places]:
    """Read the settings, start the embedded servers if need be, bring their schema up to date.

    Parameters
    ----------
    migrated
        Whether the command needs the schema. An embedded database is migrated on the way; a
        server of somebody's own is not touched unasked.

    Raises
    ------
    MigrationError
        The named server's schema is not current.
    """
    from candela.db.migrate import migrate, pending
    from candela.embedded import open_places
    from candela.logging import configure_logging
    from candela.settings import load_settings

    settings = load_settings()
    configure_logging(level=settings.log_level, form=settings.log_format)
    places = open_places(settings)
    if migrated and (files := pending(places.database)):
        if not places.is_embedded:
            message = f"The schema of {places.database.address} lacks {len(files)} files of sql/."
            raise MigrationError(message, "Run `candela db migrate` first.")
        report = migrate(places.database)
        output.note(f"Schema brought up to date: {len(report.applied)} files applied.")
    return settings, places


@contextmanager
def pipelines_connection(places: Places) -> Generator[psycopg.Connection]:
    """Yield a connection that may write market data, in autocommit mode."""
    from candela.db.connect import Role

    with places.database.connect(Role.PIPELINES, autocommit=True) as connection:
        yield connection
