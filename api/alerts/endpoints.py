"""Routes of alerts."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from api.alerts import service
from api.alerts.schemas import Alert, AlertChange, NewAlert
from api.deps import Reader, State, Trader
from api.kit.problems import problems

__all__ = ["router"]

router = APIRouter(prefix="/alerts", tags=["alerts"])


@router.get("", responses=problems(403))
def list_alerts(caller: Reader, state: State) -> list[Alert]:
    """List your alerts, at most 100, newest first."""
    with state.act(caller) as session:
        return service.listed(session)


@router.post("", status_code=201, responses=problems(403, 404, 409))
def create_alert(caller: Trader, state: State, body: NewAlert) -> Alert:
    """Make an alert; executors look at it every 15 s."""
    with state.act(caller) as session:
        return service.add(session, caller, body, state.clock)


@router.patch("/{alert_id}", responses=problems(403, 404, 409))
def change_alert(caller: Trader, state: State, alert_id: UUID, body: AlertChange) -> Alert:
    """Change how an alert is told, or switch it off."""
    with state.act(caller) as session:
        return service.change(session, caller, alert_id, body, state.clock)


@router.delete("/{alert_id}", status_code=204, responses=problems(403, 404))
def remove_alert(caller: Trader, state: State, alert_id: UUID) -> None:
    """Remove an alert."""
    with state.act(caller) as session:
        service.remove(session, caller, alert_id, state.clock)
