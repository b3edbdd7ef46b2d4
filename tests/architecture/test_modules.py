"""House rules of every Python file that no linter knows (ADR 0001, 0005)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture.tree import ROOT, module_files, parsed

LONGEST = 400
NAMELESS = {
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "misc",
    "service",
    "services",
    "util",
    "utilities",
    "utils",
}

# The only reader of the environment (ADR 0005); tests and bench start processes with one.
ENVIRONMENT_READERS = {"candela/settings.py"}

# Libraries whose types are not all known: files that import one may let reports of unknown types
# off, by a comment on their first lines.
UNTYPED = {
    "adbc_driver_postgresql",
    "ccxt",
    "great_expectations",
    "llvmlite",
    "matplotlib",
    "optuna",
    "pandas",
    "pyarrow",
    "vectorbt",
}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_module_always_opens_with_its_job() -> None:
    rooms = ("candela", "pipelines", "bench", "docs", "tests")  # a notebook opens with its title
    without = [named(path) for path in module_files(*rooms) if not ast.get_docstring(parsed(path))]
    assert without == []


def test_module_docstring_first_line_is_one_sentence() -> None:
    unfinished: list[str] = []
    for path in module_files():
        first = (ast.get_docstring(parsed(path)) or ".").split("\n\n", maxsplit=1)[0]
        if not first.rstrip().endswith((".", ":")):
            unfinished.append(named(path))
    assert unfinished == []


def test_module_length_never_exceeds_the_limit() -> None:
    lengths = {named(path): len(path.read_bytes().splitlines()) for path in module_files()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_module_name_always_says_a_job() -> None:
    jobless = [
        named(path)
        for path in module_files()
        if NAMELESS & {*path.relative_to(ROOT).with_suffix("").parts}
        # A feature of the API has its verbs in service.py: its folder says the job (ADR 0038).
        and not re.fullmatch(r"(tests/)?api/\w+/service\.py", named(path))
    ]
    assert jobless == []


def test_environment_is_read_in_one_file() -> None:
    readers = {
        named(path)
        for path in module_files("candela", "pipelines")
        if any(_reads_environment(node) for node in ast.walk(parsed(path)))
    }
    assert readers == ENVIRONMENT_READERS


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return bool({"environ", "environb", "getenv"} & {name.name for name in names})
        case _:
            return False


def test_unknown_types_are_let_off_beside_untyped_libraries_only() -> None:
    comment = re.compile(r"^#\s*(?:based)?pyright:(?!\s*ignore\[)(.*)$", re.MULTILINE)
    refused: list[str] = []
    for path in module_files("candela", "pipelines", "bench", "docs"):
        rules = ",".join(comment.findall(path.read_text(encoding="utf-8")))
        if not rules:
            continue
        others = [rule for rule in rules.split(",") if not rule.strip().startswith("reportUnknown")]
        if others or not _imported(parsed(path)) & UNTYPED:
            refused.append(f"{named(path)}: {rules}")
    assert refused == []


def _imported(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_work_is_never_left_as_a_mark() -> None:
    # A letter in brackets each, so that this file passes its own rule.
    marks = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|raise N[o]tImplementedError")
    marked = [
        f"{named(path)}: {found[0]}"
        for path in module_files()
        if (found := marks.search(path.read_text(encoding="utf-8")))
    ]
    assert marked == []


def test_tests_always_follow_the_name_pattern() -> None:
    # test_<what>_<when>_<then>: fewer than three words cannot say what is expected.
    short = [
        f"{named(path)}::{node.name}"
        for path in module_files("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name.split("_")) < 4
    ]
    assert short == []
