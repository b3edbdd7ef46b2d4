"""What a strategy is: a pure function of bars with typed parameters, written once."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from candela.errors import CandelaError, StrategyError
from strategies.bars import Bars
from strategies.memory import remembering
from strategies.signals import Signals

__all__ = [
    "ALL_BARS",
    "BadParameters",
    "Parameters",
    "Strategy",
    "StrategyFailed",
    "parameter",
    "strategy",
]

Kind = Literal["spot", "fixed_payout"]

ALL_BARS: Final = 1_000_000_000
"""The warm-up of what needs every bar since the first, such as a running total."""


class BadParameters(StrategyError):
    """A parameter is unknown, out of its bounds, or contradicts another."""

    code = "bad_parameters"


class StrategyFailed(StrategyError):
    """The strategy raised, or returned no Signals."""

    code = "strategy_failed"


class Parameters(BaseModel):
    """Typed parameters; subclasses declare fields by `parameter` and stay frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


P = TypeVar("P", bound=Parameters)


def parameter(
    default: Any,
    words: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    unit: str | None = None,
    step: float | None = None,
) -> Any:
    """Declare a parameter: default, what it means, bounds (inclusive), unit and step of a sweep.

    A form, a JSON schema and a sweep are made from this one declaration.
    """
    extra: dict[str, Any] = {
        key: value for key, value in (("unit", unit), ("step", step)) if value is not None
    }
    return Field(default=default, description=words, ge=ge, le=le, json_schema_extra=extra or None)


@dataclass(frozen=True)
class Strategy(Generic[P]):
    """One definition, for notebook, backtest and live.

    Attributes
    ----------
    name
        How it is called, such as ``ma_cross``.
    summary
        What it does, in a sentence.
    source
        Where the rule comes from.
    parameters
        The class of its parameters.
    function
        ``(bars, parameters) -> Signals``; row i may use bars 0 to i only.
    warm_up
        Bars needed before a decision is the same from wherever the bars begin.
    reads
        Further instruments that it reads, named by its parameters.
    """

    name: str
    summary: str
    source: str
    parameters: type[P]
    function: Callable[[Bars, P], Signals]
    warm_up: Callable[[P], int]
    reads: Callable[[P], tuple[str, ...]]
    kind: Kind = "spot"

    def with_values(self, values: Mapping[str, Any] | None = None) -> P:
        """Return checked parameters, defaults where nothing is given.

        Raises
        ------
        BadParameters
            Unknown, out of bounds or contradictory; names each with its value and bounds.
        """
        try:
            return self.parameters(**dict(values or {}))
        except ValidationError as error:
            raise self._explain(error) from None

    def _explain(self, error: ValidationError) -> BadParameters:
        parts: list[str] = []
        for one in error.errors():
            name = ".".join(str(part) for part in one["loc"])
            if one["type"] == "extra_forbidden":
                parts.append(f"{self.name} has no parameter {name}")
            elif name:
                parts.append(f"{name}={one['input']!r}: {one['msg'].lower()}")
            else:
                parts.append(one["msg"].removeprefix("Value error, "))
        known = ", ".join(_in_words(*item) for item in self.parameters.model_fields.items())
        return BadParameters("; ".join(parts) + ".", f"{self.name} takes {known or 'nothing'}.")

    def signals(self, bars: Bars, parameters: P) -> Signals:
        """Return the decisions on these bars; indicators of equal parameters are computed once.

        Raises
        ------
        StrategyFailed
            The function raised or returned something else than Signals.
        BadSignals, BadCondition
            What it returned is not one decision for each bar.
        CandelaError
            What an indicator or the bars refused.
        """
        with remembering(bars.memory):
            try:
                found = self.function(bars, parameters)
            except CandelaError:
                raise
            except Exception as error:
                raise self._failed(error) from error
        if not isinstance(found, Signals):  # pyright: ignore[reportUnnecessaryIsInstance] - users write it
            message = f"{self.name} returned {type(found).__name__}, not Signals."
            raise StrategyFailed(message, "End the function with: return Signals(...).")
        found.check(len(bars))
        return found

    def _failed(self, error: Exception) -> StrategyFailed:
        place = ""
        trace = error.__traceback__
        own = self.file
        while trace is not None:
            if own is not None and trace.tb_frame.f_code.co_filename == str(own):
                place = f" in line {trace.tb_lineno} of {own.name}"
            trace = trace.tb_next
        message = f"{self.name} raised {type(error).__name__}{place}: {error}."
        return StrategyFailed(message, f"Mend it, then: candela strategy check {self.name}.")

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters: types, bounds, units, words, defaults."""
        return self.parameters.model_json_schema()

    @property
    def file(self) -> Path | None:
        """Where it is written, if in a file."""
        found = inspect.getsourcefile(self.function)
        return Path(found) if found else None

    @cached_property
    def source_text(self) -> str:
        """The text of the file that defines it, or of its function where there is no file."""
        if self.file is not None and self.file.is_file():
            return self.file.read_text("utf-8")
        return inspect.getsource(self.function)

    @cached_property
    def source_digest(self) -> str:
        """The sha256 of that text."""
        return f"sha256:{hashlib.sha256(self.source_text.encode()).hexdigest()}"


def _in_words(name: str, info: FieldInfo) -> str:
    low = next((str(m.ge) for m in info.metadata if getattr(m, "ge", None) is not None), "")
    high = next((str(m.le) for m in info.metadata if getattr(m, "le", None) is not None), "")
    return f"{name} ({low} to {high})" if low or high else name


def strategy(
    *,
    name: str,
    parameters: type[P],
    warm_up: Callable[[P], int],
    source: str = "",
    reads: Callable[[P], tuple[str, ...]] | None = None,
    kind: Kind = "spot",
) -> Callable[[Callable[[Bars, P], Signals]], Strategy[P]]:
    """Make a strategy of a function; the first line of its docstring is the summary."""

    def define(function: Callable[[Bars, P], Signals]) -> Strategy[P]:
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        return Strategy(
            name=name,
            summary=summary,
            source=source,
            parameters=parameters,
            function=function,
            warm_up=warm_up,
            reads=reads or _reads_nothing,
            kind=kind,
        )

    return define


def _reads_nothing(_: Parameters) -> tuple[str, ...]:
    return ()
