"""Figures of bots, accounts and users, with the samples that they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.metrics.errors import BadSpan, WhichSeries
from api.metrics.repository import equity_rows, metric_rows
from api.metrics.schemas import (
    EquityOut,
    EquityPoint,
    EquitySeries,
    MetricPeriod,
    MetricsOut,
    PeriodName,
    Ratio,
    ScopeName,
    TradeMode,
)
from candela.desk.accounts import account_of
from candela.desk.bots import bot_with_id
from candela.desk.users import zone_of
from candela.metrics.fewest import FEWEST

if TYPE_CHECKING:
    from candela.desk.session import TenantSession

__all__ = ["Asked", "equity_of", "metrics_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose figures of which days are asked for; neither bot nor account: the user's."""

    bot_id: UUID | None = None
    account_id: UUID | None = None
    mode: TradeMode | None = None
    since: date | None = None
    until: date | None = None
    limit: int = 100


def metrics_of(session: TenantSession, asked: Asked, period: PeriodName) -> MetricsOut:
    """Return figures by period, the newest first.

    Raises
    ------
    WhichSeries, BadSpan
        What is asked for contradicts itself.
    UnknownBot, UnknownAccount
        There is no such bot or account.
    """
    scope, scope_id = _series_of(session, asked)
    rows = metric_rows(
        session,
        scope=scope,
        scope_id=scope_id,
        period=period,
        mode=asked.mode,
        # The one period of all has a day of its own.
        since=None if period == "all" else asked.since,
        until=None if period == "all" else asked.until,
        limit=asked.limit + 1,
    )
    items = [_shown(row) for row in rows[: asked.limit]]
    return MetricsOut(zone=zone_of(session), items=items, has_more=len(rows) > asked.limit)


def equity_of(session: TenantSession, asked: Asked) -> EquityOut:
    """Return equity day by day, a curve for each mode and currency.

    Raises
    ------
    WhichSeries, BadSpan
        What is asked for contradicts itself.
    UnknownBot, UnknownAccount
        There is no such bot or account.
    """
    scope, scope_id = _series_of(session, asked)
    rows = equity_rows(
        session,
        scope=scope,
        scope_id=scope_id,
        mode=asked.mode,
        since=asked.since,
        until=asked.until,
        limit=asked.limit + 1,
    )
    curves: dict[tuple[TradeMode, str], list[EquityPoint]] = {}
    for row in reversed(rows[: asked.limit]):
        curve = curves.setdefault((row["mode"], row["currency"]), [])
        curve.append(EquityPoint(**{name: row[name] for name in EquityPoint.model_fields}))
    return EquityOut(
        zone=zone_of(session),
        scope=scope,
        scope_id=scope_id,
        series=[
            EquitySeries(mode=mode, currency=currency, points=points)
            for (mode, currency), points in sorted(curves.items())
        ],
        has_more=len(rows) > asked.limit,
    )


def _series_of(session: TenantSession, asked: Asked) -> tuple[ScopeName, UUID]:
    if asked.since is not None and asked.until is not None and asked.since > asked.until:
        message = f"The span from {asked.since} to {asked.until} ends before it begins."
        raise BadSpan(message, "Give a day to that is not before from.")
    if asked.bot_id is not None and asked.account_id is not None:
        message = "Both a bot and an account were named."
        raise WhichSeries(message, "Name one of them, or none for all together.")
    if asked.bot_id is not None:
        bot_with_id(session, asked.bot_id)
        return "bot", asked.bot_id
    if asked.account_id is None:
        return "user", session.tenant_id
    account_of(session, asked.account_id)
    return "account", asked.account_id


def _shown(row: dict[str, Any]) -> MetricPeriod:
    ratios: dict[str, Ratio] = {}
    for name, (counted, fewest) in FEWEST.items():
        samples = int(row[counted])
        value = row[name] if samples >= fewest else None
        ratios[name] = Ratio(value=value, samples=samples, fewest=fewest)
    fields = {name: row[name] for name in MetricPeriod.model_fields}
    return MetricPeriod.model_validate(fields | ratios)
