"""Finds strategies by name: the shipped ones, those in a folder, and those in a file."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from candela.errors import NotFound, StrategyError
from strategies.definition import Strategy
from strategies.purity import require_pure

__all__ = [
    "SHIPPED",
    "NoStrategy",
    "StrategyFileBroken",
    "StrategyNameTaken",
    "UnknownStrategy",
    "find",
    "in_file",
    "in_folder",
    "shipped",
    "strategy_files",
]

SHIPPED: Final = (
    "ma_cross",
    "rsi_reversion",
    "macd_trend",
    "bollinger_breakout",
    "donchian_breakout",
    "mtf_trend",
    "grid",
    "dca",
    "ensemble",
    "rsi_payout",
)
"""Names of the strategies that ship, each in the module of its name."""

# No package of that name exists, so no module of a user's file can stand in for another.
_PACKAGE: Final = "candela_user_strategy"


class UnknownStrategy(NotFound):
    """No strategy has that name, and no file either."""

    code = "unknown_strategy"


class StrategyFileBroken(StrategyError):
    """A strategy's file cannot be read, or raises when it is loaded."""

    code = "strategy_file_broken"


class NoStrategy(StrategyError):
    """A file defines no strategy, or not the one that was asked for."""

    code = "no_strategy"


class StrategyNameTaken(StrategyError):
    """Two strategies have one name."""

    code = "strategy_name_taken"


def shipped() -> tuple[Strategy[Any], ...]:
    """Return the strategies that ship with Candela."""
    return tuple(_shipped(name) for name in SHIPPED)


def _shipped(name: str) -> Strategy[Any]:
    found: Strategy[Any] = getattr(importlib.import_module(f"strategies.{name}"), name)
    return found


def find(name: str, *, folder: Path | None = None) -> Strategy[Any]:
    """Return a strategy: a shipped one, one in ``folder``, or ``file.py`` or ``file.py:name``.

    Raises
    ------
    UnknownStrategy
        Naming those whose names are near.
    StrategyFileBroken, ImpureStrategy, NoStrategy, StrategyNameTaken
        What is wrong with a file, with its line.
    """
    path, wanted = _as_file(name)
    if path is not None:
        return _one_of(in_file(path), path, wanted)
    if name in SHIPPED:
        return _shipped(name)
    if folder is not None and (path := folder / f"{name}.py") in strategy_files(folder):
        # Other files of the folder may be in the making.
        return _one_of(in_file(path), path, name)
    own = in_folder(folder) if folder is not None else ()
    for one in own:
        if one.name == name:
            return one
    known = [*SHIPPED, *(one.name for one in own)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    message = f"There is no strategy {name!r}."
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
    raise UnknownStrategy(message, f"{hint} A file is named with its .py; --folder says where.")


def _as_file(name: str) -> tuple[Path | None, str | None]:
    head, colon, tail = name.rpartition(":")
    if colon and head.endswith(".py"):
        return Path(head), tail
    return (Path(name), None) if name.endswith(".py") else (None, None)


def _one_of(found: tuple[Strategy[Any], ...], path: Path, wanted: str | None) -> Strategy[Any]:
    for one in found:
        if one.name in SHIPPED:
            message = f"{path} defines a strategy named {one.name}, as one that ships is."
            raise StrategyNameTaken(
                message, "Its trials would count among those; name it otherwise."
            )
    names = ", ".join(one.name for one in found)
    if wanted is not None:
        for one in found:
            if one.name == wanted:
                return one
        message = f"{path} defines no strategy {wanted!r}."
        raise NoStrategy(message, f"It defines: {names}.")
    if len(found) > 1:
        message = f"{path} defines {len(found)} strategies."
        raise NoStrategy(message, f"Name one of {names}: {path}:{found[0].name}.")
    return next(iter(found))


def strategy_files(folder: Path) -> tuple[Path, ...]:
    """Return the Python files of a folder, sorted; those that begin with _ are left out."""
    if not folder.is_dir():
        return ()
    return tuple(path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_"))


def in_folder(folder: Path) -> tuple[Strategy[Any], ...]:
    """Return all strategies in the files of a folder.

    Raises
    ------
    StrategyFileBroken, ImpureStrategy, NoStrategy
        What is wrong with a file, with its line.
    StrategyNameTaken
        Two of a name, or one with the name of a shipped strategy.
    """
    found: dict[str, Path] = {}
    strategies: list[Strategy[Any]] = []
    for path in strategy_files(folder):
        for one in in_file(path):
            if one.name in SHIPPED:
                message = f"{path} defines {one.name}, which ships with Candela."
                raise StrategyNameTaken(message, "Give it a name of its own.")
            if one.name in found:
                message = f"{path} defines {one.name}, and so does {found[one.name]}."
                raise StrategyNameTaken(message, "Give one of them another name.")
            found[one.name] = path
            strategies.append(one)
    return tuple(strategies)


def in_file(path: Path) -> tuple[Strategy[Any], ...]:
    """Return the strategies that a file defines, in its order.

    Raises
    ------
    StrategyFileBroken
        It cannot be read or parsed, or raises when it is loaded; names the line.
    ImpureStrategy
        It does more than compute.
    NoStrategy
        It defines none.
    StrategyNameTaken
        It defines two of one name.
    """
    path = path.expanduser().resolve()
    text = _read(path)
    module = _load(path, text)
    found: dict[str, Strategy[Any]] = {}
    for value in vars(module).values():
        if not isinstance(value, Strategy):
            continue
        one = cast("Strategy[Any]", value)
        if one.function.__module__ != module.__name__:
            continue  # a strategy imported from elsewhere is a part, not a definition
        # The text that was run, whatever the file holds later: the digest is of this.
        vars(one).setdefault("source_text", text)
        before = found.setdefault(one.name, one)
        if before is not one:
            lines = [each.function.__code__.co_firstlineno for each in (before, one)]
            message = f"{path} defines {one.name} in line {lines[0]} and in line {lines[1]}."
            raise StrategyNameTaken(message, "Give one of them another name.")
    if not found:
        message = f"{path} defines no strategy."
        hint = "Put @strategy(...) above a function, or begin the file's name with _."
        raise NoStrategy(message, hint)
    return tuple(found.values())


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}."
        raise StrategyFileBroken(message, "Name a Python file, in UTF-8.") from None
    try:
        require_pure(text, path.name)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = f"{path}, line {line}: {getattr(error, 'msg', error)}."
        raise StrategyFileBroken(message, "It is no valid Python; mend that line.") from None
    return text


def _load(path: Path, text: str) -> ModuleType:
    """Run a file as a module of a name that follows from its place and text, once for each."""
    digest = hashlib.sha256(f"{path}\0{text}".encode()).hexdigest()[:16]
    name = f"{_PACKAGE}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    # pydantic and dataclasses look annotations up in the module by its name.
    sys.modules[name] = module
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102 - what a strategy file is for
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        frames = traceback.extract_tb(error.__traceback__)
        line = next((one.lineno for one in reversed(frames) if one.filename == str(path)), 1)
        message = f"{path}, line {line}: {type(error).__name__}: {error}."
        raise StrategyFileBroken(message, "It fails when it is loaded; mend that line.") from error
    return module
