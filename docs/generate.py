"""Writes docs/reference from the code, so that the pages cannot say what the code does not."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dagster import PartitionsDefinition

__all__ = ["PAGES", "REFERENCE", "ErrorClass", "error_classes"]

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"
_NOTE: Final = "<!-- Written by `make docs`; edit the code instead. -->\n\n"


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """An error as its class statement declares it."""

    name: str
    bases: tuple[str, ...]
    module: str
    summary: str
    code: str | None
    status: int | None
    is_retryable: bool | None


def error_classes() -> list[ErrorClass]:
    """Return CandelaError and all its subclasses, in the order of the tree.

    The files are read, not imported: an error of a venue costs no import of ccxt.
    """
    classes = {
        node.name: _described(node, path)
        for room in ("candela", "strategies", "backtest", "pipelines", "live", "sandbox", "api")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    ordered: list[ErrorClass] = []
    waiting = [classes["CandelaError"]]
    while waiting:
        current = waiting.pop(0)
        ordered.append(current)
        children = [one for one in classes.values() if current.name in one.bases]
        waiting = sorted(children, key=lambda one: one.name) + waiting
    return list(dict.fromkeys(ordered))


def errors_page() -> str:
    """Return the page of all errors."""
    known: dict[str, ErrorClass] = {}
    rows: list[str] = []
    for error in error_classes():
        known[error.name] = error
        parent = next((known[base] for base in error.bases if base in known), None)
        depth = 0
        while parent is not None:
            depth += 1
            parent = next((known[base] for base in parent.bases if base in known), None)
        code = _inherited(error, known, "code") or "error"
        status = _inherited(error, known, "status") or 500
        again = "yes" if _inherited(error, known, "is_retryable") else "no"
        name = "&nbsp;&nbsp;" * depth + f"`{error.name}`"
        rows.append(f"| `{code}` | {name} | {status} | {again} | {error.summary} |")
    return (
        "# Errors\n\n"
        + _NOTE
        + "Every failure that Candela reports has a code, says what happened with which value, and "
        "where it can what to do. `--json` prints the same as `{code, message, hint, status, "
        "retryable}`. The status is the one an HTTP surface uses.\n\n"
        "| code | class | status | try again | what it means |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def settings_page() -> str:
    """Return the page of all settings."""
    from candela.settings import settings_reference

    return (
        "# Settings\n\n"
        + _NOTE
        + "All are environment variables, and `candela/settings.py` is the only file that reads "
        "them. With none set, Candela runs on servers of its own under the state folder.\n\n"
        + settings_reference()
    )


def checks_page() -> str:
    """Return the page of all checks of the data contract."""
    from candela.quality.contract import CHECKS

    rows = [
        f"| `{check.name}` | {check.severity} | {check.scope} | {check.summary} |"
        for check in CHECKS
    ]
    return (
        "# Checks\n\n"
        + _NOTE
        + "The data contract: one list, used by `candela candles check`, by each import and fetch, "
        "and by the expectation suites of the pipelines. **refuse** keeps a row (or a whole file) "
        "out and records it in `market.quarantine`; **flag** stores the row with a remark.\n\n"
        "| check | severity | looks at | what must hold |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def assets_page() -> str:
    """Return the page of all Dagster assets, checks, jobs and schedules."""
    from pipelines import definitions

    repository = definitions.defs.get_repository_def()
    graph = repository.asset_graph
    rows: list[str] = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        parents = ", ".join(f"`{one.to_user_string()}`" for one in sorted(node.parent_keys))
        parts = _partitions(node.partitions_def)
        about = _line(node.description)
        rows.append(
            f"| `{key.to_user_string()}` | {node.group_name} | {parts} | {parents} | {about} |"
        )
    checks = sorted(f"`{key.to_user_string()}`" for key in graph.asset_check_keys)
    schedules = sorted(
        f"| `{one.name}` | `{one.cron_schedule}` | {_line(one.description)} |"
        for one in repository.schedule_defs
    )
    sensors = sorted(
        f"| `{one.name}` | {one.minimum_interval_seconds} | {_line(one.description)} |"
        for one in repository.sensor_defs
    )
    return (
        "# Assets\n\n" + _NOTE + "What Dagster keeps up to date, and from what.\n\n"
        "| asset | group | partitions | made from | what it is |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Asset checks\n\n"
        + "\n".join(f"- {name}" for name in checks)
        + "\n\n## Schedules\n\n| schedule | cron (UTC) | what it does |\n|---|---|---|\n"
        + "\n".join(schedules)
        + "\n\n## Sensors\n\n| sensor | looks every, s | what it does |\n|---|---|---|\n"
        + "\n".join(sensors)
        + "\n"
    )


def _partitions(definition: PartitionsDefinition[Any] | None) -> str:
    from dagster import MultiPartitionsDefinition

    if definition is None:
        return "none"
    if isinstance(definition, MultiPartitionsDefinition):
        return " and ".join(sorted(definition.partition_dimension_names))
    return type(definition).__name__.removesuffix("PartitionsDefinition").lower()


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def strategies_page() -> str:
    """Return the page of the strategies that ship."""
    from strategies.registry import shipped

    parts = [
        "# Strategies that ship\n\n"
        + _NOTE
        + "Each is one file in `strategies/`, run by notebook, backtest and live alike; `candela "
        "strategy show NAME` prints the same. The warm-up is that of the defaults."
    ]
    for one in shipped():
        rows = [
            f"| `{name}` | {_default(schema)} | {_bounds(schema)} | {schema.get('unit', '')} |"
            f" {schema['description']} |"
            for name, schema in one.schema["properties"].items()
        ]
        parts.append(
            f"## `{one.name}`\n\n{one.summary} Warm-up {one.warm_up(one.with_values()):,} bars;"
            f" {one.kind.replace('_', ' ')}.\n\n*Source: {one.source}.*\n\n"
            "| parameter | default | from to | unit | meaning |\n|---|---|---|---|---|\n"
            + "\n".join(rows)
        )
    return "\n\n".join(parts) + "\n"


def _default(schema: dict[str, Any]) -> str:
    value = schema["default"]
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value}"


def _bounds(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return f"{schema['minimum']:,g} to {schema['maximum']:,g}" if "minimum" in schema else "yes, no"


def bots_page() -> str:
    """Return the page of a bot's configuration, field by field."""
    from candela.bots.config import config_schema

    schema = config_schema()
    return (
        "# Configuration of a bot\n\n"
        + _NOTE
        + "What `candela bot create --config FILE` reads, and `--set path=value` sets. Amounts are "
        "texts or numbers and are kept exactly as they are written; ratios are shares, 0.02 is "
        "two percent. [run a bot](../howto/run-a-bot.md) shows how they are used.\n\n"
        "| field | values | default | meaning |\n|---|---|---|---|\n"
        + "\n".join(_fields(schema, schema["$defs"], ""))
        + "\n"
    )


def _fields(schema: dict[str, Any], known: dict[str, Any], path: str) -> list[str]:
    rows: list[str] = []
    needed = schema.get("required", [])
    for name, field in schema["properties"].items():
        inner = _inner(field, known)
        place = f"{path}{name}"
        default = "needed" if name in needed else _shown_default(field)
        words = field.get("description", "").replace("|", "\\|")
        rows.append(f"| `{place}` | {_kind(field, known)} | {default} | {words} |")
        if inner is not None:
            is_list = "array" in str(_choices(field)[0].get("type"))
            rows += _fields(inner, known, f"{place}{'[]' if is_list else ''}.")
    return rows


def _choices(field: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a value may be, an absent one aside."""
    every: list[dict[str, Any]] = field.get("anyOf", [field])
    return [one for one in every if one.get("type") != "null"] or every


def _inner(field: dict[str, Any], known: dict[str, Any]) -> dict[str, Any] | None:
    for one in _choices(field):
        target = one.get("$ref") or one.get("items", {}).get("$ref")
        if target is not None:
            return known[target.rpartition("/")[2]]
    return None


def _kind(field: dict[str, Any], known: dict[str, Any]) -> str:
    if _inner(field, known) is not None:
        return "list" if _choices(field)[0].get("type") == "array" else "fields below"
    # An amount may be a text or a number; the number tells the bounds.
    choices = sorted(_choices(field), key=lambda one: "number" not in str(one.get("type")))
    first = choices[0]
    if "enum" in first:
        return ", ".join(f"`{value}`" for value in first["enum"])
    kinds = {"number": "number", "integer": "whole number", "boolean": "yes, no", "array": "list"}
    kinds["object"] = "names with values"
    kind = kinds.get(str(first.get("type")), "text")
    marks = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    marks["exclusiveMaximum"] = "below"
    bounds = [f"{word} {first[mark]:g}" for mark, word in marks.items() if mark in first]
    return " ".join([kind, *bounds])


def _shown_default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None:
        return "empty" if field.get("type") == "object" else "none"
    if isinstance(value, dict | list):
        return "as below" if value and isinstance(value, dict) else "empty"
    return ("yes" if value else "no") if isinstance(value, bool) else f"`{value}`"


def api_page() -> str:
    """Return the page of all routes and WebSockets of the API."""
    from docs.api_page import page

    return page(_NOTE)


def asvs_page() -> str:
    """Return the page of the security requirements and the tests that hold them."""
    from docs.asvs_page import page

    return page(_NOTE)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "asvs.md": asvs_page,
    "api.md": api_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
    "checks.md": checks_page,
    "assets.md": assets_page,
    "bots.md": bots_page,
    "strategies.md": strategies_page,
}


def _described(node: ast.ClassDef, path: Path) -> ErrorClass:
    values: dict[str, object] = {}
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            values[target.id] = value.value
    docstring = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    code, status, retryable = (values.get(name) for name in ("code", "status", "retryable"))
    return ErrorClass(
        name=node.name,
        bases=tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases),
        module=".".join(path.relative_to(ROOT).with_suffix("").parts),
        summary=docstring,
        code=code if isinstance(code, str) else None,
        status=status if isinstance(status, int) else None,
        is_retryable=retryable if isinstance(retryable, bool) else None,
    )


def _inherited(error: ErrorClass, known: dict[str, ErrorClass], field: str) -> object:
    value = getattr(error, field)
    parents = [known[base] for base in error.bases if base in known]
    return value if value is not None or not parents else _inherited(parents[0], known, field)


def main(names: list[str]) -> None:
    """Write the pages of those names, or all of them."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in names or PAGES:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main(sys.argv[1:])
