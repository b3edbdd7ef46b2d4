"""Named queries are found by name, and a wrong name says which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from candela.db.queries import load_query
from candela.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path


def test_query_when_its_file_exists_then_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "one.sql").write_text("SELECT 1", encoding="utf-8")
    assert load_query("one", tmp_path) == b"SELECT 1"
    with pytest.raises(NotFound, match=r"no query 'two'.*The queries are: one\."):
        load_query("two", tmp_path)
