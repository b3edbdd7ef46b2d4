# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Every notebook runs from the first cell to the last on the shipped sample."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from candela.candles.importing import import_file
from candela.clock import SystemClock
from candela.db.connect import Database, Role
from candela.files.options import ReadOptions
from tests.fixtures.candles import SAMPLE

if TYPE_CHECKING:
    from candela.settings import Settings

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.py"))


@pytest.fixture
def sample_database(database: Database) -> Database:
    with closing(database.connect(Role.PIPELINES, autocommit=True)) as connection:
        for path in sorted(SAMPLE.glob("*.parquet")):
            import_file(connection, path, ReadOptions(), clock=SystemClock())
    return database


def test_notebooks_when_listed_then_there_are_some() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_candles.py"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_when_run_then_no_cell_fails_and_charts_are_drawn(
    path: Path,
    sample_database: Database,
    server_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDELA_STATE_DIR", str(server_settings.state_dir))
    monkeypatch.setenv("CANDELA_DATABASE_URL", sample_database.admin_url.get_secret_value())
    # A kernel started by a test must not write into the user's folders.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "sha256:" in nbformat.writes(notebook)
