"""The axes of a sweep: which values of which parameters, checked against the strategy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from backtest.spec import Protection
from backtest.sweep.evaluate import PROTECTIONS
from candela.errors import StrategyError
from strategies.definition import Strategy

__all__ = ["Axis", "AxisValue", "BadAxis", "axes_of", "check_value", "parse_axis"]

AxisValue = bool | int | float | str
"""A value as JSON holds it."""

_MOST_VALUES: Final = 100_000
_RANGE_PARTS: Final = 3
_LOG: Final = "log"
_DIGITS: Final = 6


class BadAxis(StrategyError):
    """An axis names no parameter, or has values that it cannot take."""

    code = "bad_axis"


class Axis(BaseModel):
    """One parameter and the values that are tried, numbers in rising order.

    A range is kept as its values: 20 is the same axis however it was written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    values: tuple[AxisValue, ...] = Field(min_length=1, max_length=_MOST_VALUES)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_ordered(self) -> bool:
        """Whether the values are numbers, so that neighbours mean something."""
        return all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in self.values
        )


def axes_of(strategy: Strategy[Any], wanted: Mapping[str, Any] | Iterable[str]) -> tuple[Axis, ...]:
    """Return checked axes from texts (``fast=5:50:5``), or from values by name.

    Parameters
    ----------
    wanted
        Values by name may be any iterable of values, one value, or the part of a text after ``=``.

    Raises
    ------
    BadAxis
        An axis is named twice, names no parameter, or has a value that cannot be.
    """
    if isinstance(wanted, Mapping):
        given = cast("Mapping[str, Any]", wanted)
        axes = tuple(_axis_of(strategy, name, values) for name, values in given.items())
    else:
        axes = tuple(parse_axis(strategy, text) for text in wanted)
    names = [axis.name for axis in axes]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"The axis {min(twice)} is given twice."
        raise BadAxis(message, "Give all its values in one: name=1,2,5 or name=1:10:1.")
    return axes


def parse_axis(strategy: Strategy[Any], text: str) -> Axis:
    """Read one axis.

    ``fast=5:50:5`` counts from 5 to 50 in fives; ``fast=5:50`` in the strategy's own step (1 for
    whole numbers); ``size=0.01:1:log9`` takes nine values in equal ratios; ``kind=simple,
    exponential`` lists them; ``kind`` alone takes all that the strategy allows.

    Raises
    ------
    BadAxis
        As `axes_of`.
    """
    name, has_values, values = text.partition("=")
    name = name.strip()
    if not has_values:
        return _made(strategy, name, _all_values(strategy, name))
    return _made(strategy, name, _texts(strategy, name, values.strip()))


def check_value(strategy: Strategy[Any], name: str, value: Any) -> Any:
    """Return a value as its parameter holds it.

    Raises
    ------
    BadAxis
        Names the value and the bounds that it breaks.
    """
    info = _field(strategy, name)
    return _checked(strategy, name, info, TypeAdapter(_annotated(info)), value)


def _checked(
    strategy: Strategy[Any], name: str, info: FieldInfo, adapter: TypeAdapter[Any], value: Any
) -> Any:
    try:
        checked = adapter.validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        message = f"{name}={value} cannot be: {said[:1].lower()}{said[1:]}."
        raise BadAxis(message, f"{name}: {_described(strategy, name, info)}.") from None
    if isinstance(checked, float) and not math.isfinite(checked):
        message = f"{name}={value} is no finite number."
        raise BadAxis(message, f"{name}: {_described(strategy, name, info)}.")
    return checked


def _axis_of(strategy: Strategy[Any], name: str, values: Any) -> Axis:
    if isinstance(values, str):
        return _made(strategy, name, _texts(strategy, name, values))
    if isinstance(values, Iterable):
        several = cast("Iterable[Any]", values)
        return _made(strategy, name, [_plain(one) for one in several])
    return _made(strategy, name, [_plain(values)])


def _plain(value: Any) -> Any:
    """Return a number of numpy as Python's."""
    return value.item() if hasattr(value, "item") else value


def _made(strategy: Strategy[Any], name: str, values: list[Any]) -> Axis:
    info = _field(strategy, name)
    # Made once: it costs more than a thousand values.
    adapter: TypeAdapter[Any] = TypeAdapter(_annotated(info))
    checked = [_checked(strategy, name, info, adapter, value) for value in values]
    for value in checked:
        if not isinstance(value, bool | int | float | str):
            message = f"{name}={value} is a {type(value).__name__}, which no axis can hold."
            raise BadAxis(message, "Sweep over numbers, texts, and yes or no.")
    # By type too: 1 and true are two values.
    distinct: list[AxisValue] = list(
        {(type(one).__name__, one): one for one in cast("list[AxisValue]", checked)}.values()
    )
    if not distinct:
        message = f"The axis {name} has no values."
        raise BadAxis(message, f"Give some: {name}=5:50:5 or {name}=5,10,20.")
    if len(distinct) > _MOST_VALUES:
        message = f"The axis {name} has {len(distinct):,} values; {_MOST_VALUES:,} are the most."
        raise BadAxis(message, "Take a longer step.")
    axis = Axis(name=name, values=tuple(distinct))
    if not axis.is_ordered:
        return axis
    return Axis(name=name, values=tuple(sorted(axis.values)))


def _field(strategy: Strategy[Any], name: str) -> FieldInfo:
    fields = strategy.parameters.model_fields
    if name in fields:
        return fields[name]
    if name in PROTECTIONS:
        return Protection.model_fields[name]
    known = ", ".join((*fields, *(one for one in PROTECTIONS if one not in fields)))
    message = f"{strategy.name} has no parameter {name!r} to sweep over."
    raise BadAxis(message, f"Choose among: {known}.")


def _annotated(info: FieldInfo) -> Any:
    kind: Any = info.annotation
    for one in info.metadata:
        kind = Annotated[kind, one]
    return kind


def _described(strategy: Strategy[Any], name: str, info: FieldInfo) -> str:
    low, high = _bounds(info)
    options = _options(info)
    words = (info.description or "a parameter").rstrip(".")
    if options:
        return f"{words}; one of {', '.join(map(str, options))}"
    if low is not None and high is not None:
        return f"{words}; {low} to {high}"
    return f"{words}, of {strategy.name if name not in PROTECTIONS else 'the run'}"


def _bounds(info: FieldInfo) -> tuple[Any, Any]:
    low = high = None
    for one in info.metadata:
        low = getattr(one, "ge", None) if low is None else low
        high = getattr(one, "le", None) if high is None else high
    return low, high


def _options(info: FieldInfo) -> tuple[Any, ...]:
    if info.annotation is bool:
        return (False, True)
    # An alias of a Literal has it as its value.
    kind = getattr(info.annotation, "__value__", info.annotation)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _own_step(info: FieldInfo) -> Decimal | None:
    told = _told_step(info)
    return Decimal(1) if told is None and info.annotation is int else told


def _told_step(info: FieldInfo) -> Decimal | None:
    if not isinstance(info.json_schema_extra, dict):
        return None
    step = cast("dict[str, object]", info.json_schema_extra).get("step")
    return Decimal(str(step)) if isinstance(step, int | float) else None


def _all_values(strategy: Strategy[Any], name: str) -> list[Any]:
    info = _field(strategy, name)
    if options := _options(info):
        return list(options)
    low, high = _bounds(info)
    step = _told_step(info)
    if low is None or high is None or step is None:
        message = f"{name} does not say which values to try."
        raise BadAxis(message, f"Give them: {name}=LOW:HIGH:STEP, or {name}=1,2,5.")
    return _steps(name, Decimal(str(low)), Decimal(str(high)), step)


def _texts(strategy: Strategy[Any], name: str, text: str) -> list[Any]:
    info = _field(strategy, name)
    if ":" not in text:
        parts = [part.strip() for part in text.split(",")]
        if "" in parts:
            message = f"{name}={text} has an empty value."
            raise BadAxis(message, f"Write {name}=5,10,20 or {name}=5:50:5.")
        return parts
    parts = text.split(":")
    if len(parts) > _RANGE_PARTS:
        message = f"{name}={text} is no range."
        raise BadAxis(message, f"Write {name}=LOW:HIGH:STEP, such as {name}=5:50:5.")
    low, high = _number(name, text, parts[0]), _number(name, text, parts[1])
    if low > high:
        message = f"{name}={text} runs backwards."
        raise BadAxis(message, f"Write {name}={parts[1]}:{parts[0]} with the lower end first.")
    if len(parts) == _RANGE_PARTS and parts[2].strip().startswith(_LOG):
        return _ratios(name, text, low, high, is_whole=info.annotation is int)
    step = _own_step(info)
    if len(parts) == _RANGE_PARTS:
        step = _number(name, text, parts[2])
    if step is None or step <= 0:
        message = f"{name}={text} has no step above 0."
        raise BadAxis(message, f"Write {name}={parts[0]}:{parts[1]}:STEP.")
    return _steps(name, low, high, step)


def _number(name: str, text: str, part: str) -> Decimal:
    try:
        number = Decimal(part.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        message = f"{name}={text}: {part.strip()!r} is no number."
        raise BadAxis(message, f"Write {name}=LOW:HIGH:STEP in numbers, such as {name}=5:50:5.")
    return number


def _steps(name: str, low: Decimal, high: Decimal, step: Decimal) -> list[Any]:
    count = int((high - low) / step) + 1
    if count > _MOST_VALUES:
        message = f"The axis {name} has {count:,} values; {_MOST_VALUES:,} are the most."
        raise BadAxis(message, "Take a longer step.")
    # Decimals: 0.1 + 2 * 0.1 is 0.3 here, as it was written.
    return [_as_written(low + step * place) for place in range(count)]


def _as_written(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _ratios(name: str, text: str, low: Decimal, high: Decimal, *, is_whole: bool) -> list[Any]:
    count = text.rpartition(":")[2].strip().removeprefix(_LOG)
    if low <= 0 or not count.isdigit() or not 2 <= int(count) <= _MOST_VALUES:  # noqa: PLR2004 - both ends
        message = f"{name}={text} is no range in equal ratios."
        raise BadAxis(message, f"Write {name}=LOW:HIGH:log9 with LOW above 0, for nine values.")
    steps = int(count) - 1
    ratio = math.log(float(high) / float(low)) / steps
    inner = [float(low) * math.exp(ratio * place) for place in range(1, steps)]
    if is_whole:
        return [int(low), *(round(one) for one in inner), int(high)]
    shown = [float(f"{one:.{_DIGITS}g}") for one in inner]
    return [_as_written(low), *shown, _as_written(high)]
