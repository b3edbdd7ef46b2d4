"""The runner of sql/: once, whole, in order, by one runner at a time."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from candela.db.migrate import MigrationReport, migrate, pending
from candela.db.sqlfiles import split_statements, sql_directory
from candela.errors import MigrationError

if TYPE_CHECKING:
    from pathlib import Path

    from candela.db.connect import Database

FIRST = "migrations/0001_prepare_database.sql"
SECOND = "migrations/0002_create_things.sql"


@pytest.fixture
def sql_dir(tmp_path: Path) -> Path:
    """A small sql/ of the test's own: the real first file, one table, one view."""
    folder = tmp_path / "sql"
    _write(folder, FIRST, (sql_directory() / FIRST).read_text(encoding="utf-8"))
    _write(folder, SECOND, "CREATE SCHEMA things;\nCREATE TABLE things.one (a integer);\n")
    _write(folder, "repeatable/views/all.sql", "CREATE OR REPLACE VIEW things.v AS SELECT 1 AS a;")
    return folder


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _one(database: Database, query: str) -> object:
    with database.connect() as connection:
        row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]


def test_schema_when_migrated_twice_then_the_second_run_does_nothing(
    bare_database: Database,
) -> None:
    waiting = pending(bare_database)
    report = migrate(bare_database)
    assert report.applied == waiting
    assert report.applied[0] == FIRST
    assert any(name.startswith(f"{report.variant}/") for name in report.applied)
    assert pending(bare_database) == []
    again = migrate(bare_database)
    assert (again.applied, again.reapplied, again.variant) == ([], [], report.variant)


def test_tables_when_migrated_then_belong_to_the_owner(bare_database: Database) -> None:
    migrate(bare_database)
    owners = _one(
        bare_database,
        "SELECT array_agg(DISTINCT tableowner::text) FROM pg_tables"
        " WHERE schemaname IN ('market', 'platform')",
    )
    assert owners == ["candela_owner"]


def test_runners_when_two_start_at_once_then_one_works_and_one_does_nothing(
    bare_database: Database, sql_dir: Path
) -> None:
    # Slow enough for the second to arrive while the first works.
    _write(sql_dir, "migrations/0003_wait.sql", "SELECT pg_sleep(0.5);")
    start = Barrier(2)

    def run() -> MigrationReport:
        start.wait()
        return migrate(bare_database, sql_dir)

    with ThreadPoolExecutor(2) as pool:
        reports = [future.result() for future in [pool.submit(run) for _ in range(2)]]
    assert sorted(len(report.applied) for report in reports) == [0, 4]


def test_numbered_file_when_edited_after_it_was_applied_then_nothing_runs(
    bare_database: Database, sql_dir: Path
) -> None:
    migrate(bare_database, sql_dir)
    _write(sql_dir, SECOND, "CREATE SCHEMA things;")
    _write(sql_dir, "migrations/0003_more.sql", "CREATE TABLE things.two (a integer);")
    for call in (migrate, pending):
        with pytest.raises(MigrationError, match=r"0002_create_things\.sql was edited"):
            call(bare_database, sql_dir)
    assert _one(bare_database, "SELECT to_regclass('things.two')") is None


def test_numbered_file_when_it_has_other_line_ends_then_still_the_same(
    bare_database: Database, sql_dir: Path
) -> None:
    migrate(bare_database, sql_dir)
    path = sql_dir / SECOND
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(bare_database, sql_dir).applied == []


def test_database_when_newer_than_the_files_then_refused(
    bare_database: Database, sql_dir: Path
) -> None:
    migrate(bare_database, sql_dir)
    (sql_dir / SECOND).unlink()
    with pytest.raises(MigrationError, match="which is not among the files here"):
        migrate(bare_database, sql_dir)


def test_file_when_a_statement_fails_then_rolled_back_whole_and_its_line_named(
    bare_database: Database, sql_dir: Path
) -> None:
    name = "migrations/0003_more.sql"
    _write(
        sql_dir,
        name,
        "-- Job: none; a semicolon.\nCREATE TABLE things.two (a integer);\n\n"
        "ALTER TABLE things.two\n    ADD COLUMN b integer,\n    ADD COLUMN c nonsense;\n",
    )
    with pytest.raises(MigrationError, match=r"0003_more\.sql, line 6: .*nonsense"):
        migrate(bare_database, sql_dir)
    assert _one(bare_database, "SELECT to_regclass('things.two')") is None
    assert _one(bare_database, "SELECT to_regclass('things.one')") is not None
    assert pending(bare_database, sql_dir)[0] == name
    _write(sql_dir, name, "CREATE TABLE things.two (a integer);")
    assert migrate(bare_database, sql_dir).applied[0] == name


def test_repeatable_file_when_changed_then_applied_again(
    bare_database: Database, sql_dir: Path
) -> None:
    migrate(bare_database, sql_dir)
    name = "repeatable/views/all.sql"
    _write(sql_dir, name, "CREATE OR REPLACE VIEW things.v AS SELECT 2 AS a;")
    report = migrate(bare_database, sql_dir)
    assert (report.applied, report.reapplied) == ([], [name])
    assert _one(bare_database, "SELECT a FROM things.v") == 2


def test_file_when_it_runs_without_a_transaction_then_holds_one_statement(
    bare_database: Database, sql_dir: Path
) -> None:
    head = "-- no-transaction\n-- Job: an index, writers going on.\n"
    index = "CREATE INDEX CONCURRENTLY ix_one_a ON things.one (a);\n"
    _write(sql_dir, "migrations/0003_index.sql", head + index)
    migrate(bare_database, sql_dir)
    assert _one(bare_database, "SELECT to_regclass('things.ix_one_a')") is not None
    _write(sql_dir, "migrations/0004_index.sql", head + index + "SELECT 1;")
    with pytest.raises(MigrationError, match="has 2 statements"):
        migrate(bare_database, sql_dir)


def test_folders_when_repeatable_then_functions_come_before_views_before_grants(
    bare_database: Database, sql_dir: Path
) -> None:
    for folder in ("grants", "policies", "functions"):
        _write(sql_dir, f"repeatable/{folder}/a.sql", "SELECT 1;")
    kinds = [name.split("/")[1] for name in migrate(bare_database, sql_dir).applied[2:]]
    assert kinds == ["functions", "views", "policies", "grants"]


def test_folder_when_it_has_no_migrations_then_refused(
    bare_database: Database, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError, match="has no migrations"):
        migrate(bare_database, tmp_path)


def test_role_when_the_file_sets_another_then_the_next_file_runs_as_the_owner(
    bare_database: Database, sql_dir: Path
) -> None:
    _write(
        sql_dir,
        "migrations/0003_as_pipelines.sql",
        "GRANT USAGE, CREATE ON SCHEMA things TO candela_pipelines;\n"
        "SET LOCAL ROLE candela_pipelines;\nCREATE TABLE things.three (a integer);",
    )
    _write(sql_dir, "migrations/0004_as_owner.sql", "CREATE TABLE things.four (a integer);")
    migrate(bare_database, sql_dir)
    owners = _one(
        bare_database,
        "SELECT array_agg(tableowner::text ORDER BY tablename DESC) FROM pg_tables"
        " WHERE tablename IN ('three', 'four')",
    )
    assert owners == ["candela_pipelines", "candela_owner"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SELECT 2",
        "-- a; comment\nSELECT ';'; /* b; */ SELECT 2;",
        "SELECT 'it''s; one'; SELECT 2;;",
        "DO $$ BEGIN; END $$; SELECT 2;",
        "DO $tag$ SELECT $$;$$; $tag$; SELECT 2;",
        'SELECT 1 AS "a;""b"; SELECT 2',
        r"SELECT E'\';'; SELECT 2",
    ],
)
def test_text_when_semicolons_hide_in_it_then_cut_into_two_statements(text: str) -> None:
    assert len(split_statements(text)) == 2


def test_statements_when_cut_then_know_their_lines() -> None:
    found = split_statements("-- head\n\nSELECT 1;\n/* two\nlines */\nSELECT\n  2;\n-- end\n")
    assert [(statement.line, statement.text) for statement in found] == [
        (3, "SELECT 1;"),
        (6, "SELECT\n  2;"),
    ]


def test_sql_directory_when_copied_elsewhere_then_the_same_files_run(
    bare_database: Database, tmp_path: Path
) -> None:
    copy = shutil.copytree(sql_directory(), tmp_path / "elsewhere")
    assert migrate(bare_database, copy).applied
    assert pending(bare_database) == []
