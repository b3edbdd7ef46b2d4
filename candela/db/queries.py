"""The named reads of sql/queries, loaded by name."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from candela.db.sqlfiles import sql_directory
from candela.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_query"]


@lru_cache(maxsize=128)
def load_query(name: str, sql_dir: Path | None = None) -> bytes:
    """Return the text of ``sql/queries/<name>.sql``, ready for ``cursor.execute``.

    Raises
    ------
    NotFound
        No file of that name; the error lists those that exist.
    """
    folder = (sql_dir or sql_directory()) / "queries"
    known = {path.stem: path for path in folder.glob("*.sql")}
    if name not in known:
        message = f"There is no query {name!r} in {folder.name}."
        raise NotFound(message, f"The queries are: {', '.join(sorted(known)) or 'none'}.")
    return known[name].read_bytes()
