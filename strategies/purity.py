"""Reads a strategy file without running it and names what a pure function of bars would not do."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Final

from candela.errors import StrategyError

__all__ = ["ALLOWED", "ImpureStrategy", "Impurity", "find_impurities", "require_pure", "written_by"]

ALLOWED: Final = frozenset(
    {
        *("__future__", "abc", "bisect", "calendar", "cmath", "collections", "dataclasses"),
        *("datetime", "decimal", "enum", "fractions", "functools", "heapq", "itertools", "math"),
        *("operator", "random", "statistics", "string", "typing", "typing_extensions", "zoneinfo"),
        *("numpy", "polars", "pydantic", "strategies"),
        *("candela.compiled", "candela.errors", "candela.market"),
    }
)
"""What a strategy may import, with all below it."""

_FORBIDDEN_CALLS: Final = {
    "open": "reads or writes files",
    "exec": "runs text as code",
    "eval": "runs text as code",
    "compile": "runs text as code",
    "__import__": "imports what nobody can see",
    "input": "waits for a person",
    "print": "writes to the terminal",
    "globals": "reaches for the module's variables",
    "breakpoint": "waits for a person",
}
_FORBIDDEN_ATTRIBUTES: Final = {
    "now": ("datetime", "date", "dt"),
    "utcnow": ("datetime", "dt"),
    "today": ("datetime", "date", "dt"),
}
_FILE_READERS: Final = (
    "read_", "scan_", "write_", "sink_", "save", "load", "fromfile", "tofile", "memmap", "genfrom",
)  # fmt: skip
_CHANGING: Final = frozenset(
    {
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
        *("popleft", "remove", "setdefault", "sort", "update"),
    }
)
_SHOWN: Final = 5
_SEEDED: Final = ("default_rng", "RandomState", "Random", "SeedSequence", "Generator", "PCG64")


class ImpureStrategy(StrategyError):
    """A strategy file does something else than computing from bars and parameters."""

    code = "impure_strategy"


@dataclass(frozen=True, slots=True)
class Impurity:
    """One thing that a strategy file must not do, with its line and what to do instead."""

    line: int
    what: str
    remedy: str


def require_pure(text: str, name: str) -> None:
    """Refuse a strategy file that is not pure.

    Raises
    ------
    ImpureStrategy
        Naming each line.
    """
    found = find_impurities(text)
    if found:
        said = "; ".join(f"line {one.line} {one.what}" for one in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ImpureStrategy(f"{name} is not pure: {said}{more}.", next(iter(found)).remedy)


def find_impurities(text: str) -> tuple[Impurity, ...]:
    """Return what a strategy file does beside computing, by line.

    It reads the file as it is written: what is hidden on purpose stays hidden. The text must parse.
    """
    reader = _Reader(ast.parse(text))
    return tuple(sorted(reader.impurities(), key=lambda one: one.line))


def written_by(function: object) -> tuple[Impurity, ...]:
    """Return where a function that was defined anywhere, a notebook too, writes into globals."""
    if not isinstance(function, FunctionType):
        return ()
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return ()  # no text is left of it
    reader = _Reader(module)
    reader.globals |= {
        name for name, one in function.__globals__.items() if not isinstance(one, ModuleType)
    }
    before = function.__code__.co_firstlineno - 1
    return tuple(
        Impurity(one.line + before, one.what, one.remedy) for one in reader.kept_variables()
    )


class _Reader:
    """Walks a module: its imports, its calls, and what its functions write into."""

    def __init__(self, module: ast.Module) -> None:
        self.module = module
        self.globals = {name for statement in module.body for name in _assigned(statement)}

    def impurities(self) -> Iterator[Impurity]:
        """Yield every impurity, in no order."""
        for node in ast.walk(self.module):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from _import(node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                yield from _import_from(node)
            elif isinstance(node, ast.Call):
                yield from _call(node)
        yield from self.kept_variables()

    def kept_variables(self) -> Iterator[Impurity]:
        """Yield where functions write into variables that outlive the call."""
        for node in ast.walk(self.module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from self._function(node)

    def _function(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    ) -> Iterator[Impurity]:
        name = getattr(function, "name", "a lambda")
        for default in (*function.args.defaults, *function.args.kw_defaults):
            if isinstance(default, ast.List | ast.Dict | ast.Set):
                yield Impurity(
                    default.lineno,
                    f"gives {name} a default that is kept from call to call",
                    "Take None or a tuple as the default.",
                )
        own = _local_names(function)
        for node in ast.walk(function):
            for line, written in _written(node):
                if isinstance(node, ast.Global) or (written in self.globals and written not in own):
                    yield Impurity(
                        line,
                        f"changes {written}, which is kept from call to call",
                        "Compute it anew in each call; what is dear is remembered by"
                        " strategies.memory.remember.",
                    )


def _written(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the variable into which a statement or call writes."""
    if isinstance(node, ast.Global):
        yield node.lineno, ", ".join(node.names)
    elif isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node.ctx, ast.Store | ast.Del):
            yield node.lineno, _root(node)
    elif isinstance(node, ast.Call):
        method = node.func
        if isinstance(method, ast.Attribute) and method.attr in _CHANGING:
            yield node.lineno, _root(method)


def _import(line: int, name: str) -> Iterator[Impurity]:
    parts = name.split(".")
    if any(".".join(parts[:end]) in ALLOWED for end in range(1, len(parts) + 1)):
        if name in {"numpy.random", "strategies.commands"} or parts[:2] == ["numpy", "ctypeslib"]:
            yield Impurity(line, f"imports {name}", "Use what computes from bars alone.")
        return
    yield Impurity(
        line,
        f"imports {name}",
        "A strategy may import numpy, polars, math and its like, strategies.* and candela.market;"
        " everything else it needs comes with the bars and the parameters.",
    )


def _import_from(node: ast.ImportFrom) -> Iterator[Impurity]:
    module = node.module or ""
    if node.level:
        yield Impurity(node.lineno, "imports from a file beside it", "Write it in this file.")
    elif module == "candela":
        for alias in node.names:
            yield from _import(node.lineno, f"candela.{alias.name}")
    else:
        yield from _import(node.lineno, module)


def _call(node: ast.Call) -> Iterator[Impurity]:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id in _FORBIDDEN_CALLS:
            yield Impurity(
                node.lineno,
                f"calls {function.id}, which {_FORBIDDEN_CALLS[function.id]}",
                "A strategy only computes: from the bars and parameters it is given.",
            )
        elif function.id in _SEEDED and not (node.args or node.keywords):
            yield _unseeded(node.lineno, function.id)
        return
    if not isinstance(function, ast.Attribute):
        return
    dotted = ast.unparse(function)
    root, _, last = dotted.rpartition(".")
    if last in _FORBIDDEN_ATTRIBUTES and root.split(".")[-1] in _FORBIDDEN_ATTRIBUTES[last]:
        yield Impurity(
            node.lineno,
            f"calls {dotted}, which asks for the present",
            "The present of a strategy is the time of its newest bar: bars.time[-1].",
        )
    elif root in {"np.random", "numpy.random", "random"} or root.endswith(".random"):
        if last not in _SEEDED:
            yield Impurity(
                node.lineno,
                f"calls {dotted}, whose state everybody shares",
                "Take numpy.random.default_rng(seed) inside the function, with the seed among"
                " the parameters.",
            )
        elif not (node.args or node.keywords):
            yield _unseeded(node.lineno, dotted)
    elif root in {"np", "numpy", "pl", "polars"} and last.startswith(_FILE_READERS):
        yield Impurity(
            node.lineno,
            f"calls {dotted}, which reads or writes files",
            "What a strategy reads comes with the bars and the parameters.",
        )


def _unseeded(line: int, dotted: str) -> Impurity:
    return Impurity(
        line, f"calls {dotted} without a seed", "Give it a seed that is among the parameters."
    )


def _assigned(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of the module binds to a value."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    for target in targets:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _local_names(function: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            names -= set(node.names)
    return names


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
