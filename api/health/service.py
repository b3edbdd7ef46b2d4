"""Whether the database has the schema that this version needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from candela.db.migrate import pending
from candela.errors import CandelaError

if TYPE_CHECKING:
    from candela.db.connect import Database

__all__ = ["is_current"]


def is_current(database: Database) -> bool:
    """Return whether no file of sql/ waits to be applied."""
    try:
        return not pending(database)
    except (CandelaError, psycopg.Error):
        return False
