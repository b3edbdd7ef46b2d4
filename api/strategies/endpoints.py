"""Routes of strategies: what is installed, its parameters, and whether some are valid."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.deps import Reader, State
from api.kit.problems import problems
from api.strategies import service
from api.strategies.schemas import StrategyOut, ValidateIn, ValidityOut

__all__ = ["router"]

router = APIRouter(prefix="/strategies", tags=["strategies"])

Name = Annotated[
    str, Path(min_length=1, max_length=100, description="name of a strategy", examples=["ma_cross"])
]


@router.get("", responses=problems(403))
def list_strategies(_: Reader, state: State) -> list[StrategyOut]:
    """List the strategies that bots and backtests can run."""
    return service.strategies(state.options.strategies_dir)


@router.get("/{name}", responses=problems(403, 404))
def get_strategy(_: Reader, state: State, name: Name) -> StrategyOut:
    """Show a strategy with the schema of its parameters."""
    return service.described(service.find_strategy(name, state.options.strategies_dir))


@router.get("/{name}/schema", responses=problems(403, 404))
def get_strategy_schema(_: Reader, state: State, name: Name) -> dict[str, Any]:
    """Show the JSON schema of a strategy's parameters, from which a form can be made."""
    return service.find_strategy(name, state.options.strategies_dir).schema


@router.post("/{name}/validate", responses=problems(403, 404))
def validate_strategy(_: Reader, state: State, name: Name, body: ValidateIn) -> ValidityOut:
    """Check parameters; for each that is not valid, name a value that would pass."""
    found = service.find_strategy(name, state.options.strategies_dir)
    return service.validity(found, body.parameters)
