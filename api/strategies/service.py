"""Finding strategies by their names alone, and checking parameters by their one definition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from api.kit.problems import Fault
from api.kit.texts import json_faults
from api.strategies.errors import ParametersRefused
from api.strategies.schemas import ParameterFault, StrategyOut, ValidityOut
from strategies.defining import timeframes_of
from strategies.registry import SHIPPED, UnknownStrategy, find, in_folder, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from strategies.definition import Parameters, Strategy

__all__ = [
    "checked_parameters",
    "described",
    "find_strategy",
    "strategies",
    "validity",
]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_LARGEST_SHOWN: Final = 80


def find_strategy(name: str, folder: Path | None) -> Strategy[Any]:
    """Return an installed strategy; a name is never taken for a path or a text to run.

    Parameters
    ----------
    folder
        Of strategies that the operator installed.

    Raises
    ------
    UnknownStrategy
        None that is installed has that name.
    StrategyFileBroken, ImpureStrategy, NoStrategy, StrategyNameTaken
        A file that the operator installed cannot be used.
    """
    if _NAME.fullmatch(name):
        try:
            return find(name, folder=folder)
        except UnknownStrategy:
            pass
    message = f"There is no strategy {name[:_LARGEST_SHOWN]!r}."
    raise UnknownStrategy(message, f"There are: {', '.join(SHIPPED)}; see the list of strategies.")


def strategies(folder: Path | None) -> list[StrategyOut]:
    """Return what is installed, the shipped ones first."""
    own = in_folder(folder) if folder is not None else ()
    return [described(one) for one in (*shipped(), *own)]


def described(strategy: Strategy[Any]) -> StrategyOut:
    """Return a strategy as it is shown."""
    return StrategyOut(
        name=strategy.name,
        idea=strategy.summary,
        source=strategy.source,
        kind=strategy.kind,
        parameters=strategy.schema,
        warm_up=strategy.warm_up(strategy.with_values()),
        timeframes=timeframes_of(strategy),
        is_shipped=strategy.name in SHIPPED,
        digest=strategy.source_digest,
    )


def validity(strategy: Strategy[Any], values: Mapping[str, Any]) -> ValidityOut:
    """Say whether parameters are valid, and for each that is not, a value that would pass."""
    found = _checked(strategy, values)
    if found.parameters is None:
        return ValidityOut(is_valid=False, faults=found.faults)
    return ValidityOut(
        is_valid=True,
        parameters=found.parameters.model_dump(mode="json"),
        warm_up=strategy.warm_up(found.parameters),
    )


def checked_parameters(
    strategy: Strategy[Any], values: Mapping[str, Any], place: str
) -> Parameters:
    """Return checked parameters, defaults where nothing is given.

    Parameters
    ----------
    place
        Where they stand in what was sent, such as ``body.config.parameters``.

    Raises
    ------
    ParametersRefused
        Naming each by its place, with its reason and a value that would pass.
    """
    found = _checked(strategy, values)
    if found.parameters is not None:
        return found.parameters
    faults = [
        Fault(field=f"{place}.{one.field}" if one.field else place, reason=_reason(one))
        for one in found.faults
    ]
    message = f"{faults[0].field}: {faults[0].reason}."
    hint = f"POST /strategies/{strategy.name}/validate checks parameters without storing them."
    raise ParametersRefused(message, hint, faults)


@dataclass(frozen=True, slots=True)
class _Checked:
    parameters: Parameters | None
    faults: list[ParameterFault]


def _checked(strategy: Strategy[Any], values: Mapping[str, Any]) -> _Checked:
    odd = [
        ParameterFault(field=place.removeprefix("."), reason=reason)
        for place, reason in json_faults(dict(values), "")
    ]
    if odd:
        return _Checked(None, odd)
    try:
        return _Checked(strategy.parameters.model_validate(dict(values)), [])
    except ValidationError as error:
        return _Checked(None, list(_faults(strategy, values, error)))


def _faults(
    strategy: Strategy[Any], values: Mapping[str, Any], error: ValidationError
) -> Iterator[ParameterFault]:
    fields = strategy.parameters.model_fields
    for one in error.errors(include_url=False, include_context=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        words = one["msg"].removeprefix("Value error, ")
        if name in fields:
            passing = _passing(strategy, values, name)
            yield ParameterFault(field=name, reason=words, passing=passing)
        elif name:
            known = ", ".join(fields) or "none"
            reason = f"{strategy.name} has no such parameter; it takes {known}"
            yield ParameterFault(field=name[:_LARGEST_SHOWN], reason=reason)
        else:
            # Of several together: the first that alone can put it right is named.
            tried = ((each, _passing(strategy, values, each)) for each in fields)
            field, passing = next(((a, b) for a, b in tried if b is not None), ("", None))
            yield ParameterFault(field=field, reason=words, passing=passing)


def _passing(strategy: Strategy[Any], values: Mapping[str, Any], name: str) -> object:
    """Return a value of a parameter that is valid in itself and, if one is found, with the rest."""
    info = strategy.parameters.model_fields[name]
    near: list[object] = [info.default]
    for key, other in values.items():
        if key != name and isinstance(other, int) and not isinstance(other, bool):
            near += [other - 1, other + 1]
    for mark in info.metadata:
        near += [bound for bound in (getattr(mark, "ge", None), getattr(mark, "le", None)) if bound]
    rest = {key: value for key, value in values.items() if key in strategy.parameters.model_fields}
    alone: object = None
    for value in near:
        try:
            made = strategy.parameters.model_validate({**rest, name: value})
        except ValidationError as error:
            blamed = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
            if alone is None and blamed and name not in blamed:
                alone = value
            continue
        return cast("object", made.model_dump(mode="json")[name])
    return alone


def _reason(fault: ParameterFault) -> str:
    words = fault.reason[:1].lower() + fault.reason[1:]
    return words if fault.passing is None else f"{words}; {fault.passing} would pass"
