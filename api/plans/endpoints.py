"""Plans: GET /billing/plans, for everybody."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import State
from api.kit.problems import problems
from api.plans import service
from api.plans.schemas import PlansView

__all__ = ["router"]

router = APIRouter(tags=["plans"])


@router.get("/billing/plans", responses=problems())
def list_plans(state: State) -> PlansView:
    """List what can be had and what it costs; needs no login."""
    return service.catalogue(can_buy=state.billing is not None)
