"""The list of features: every router, in the order of the document."""

from __future__ import annotations

from fastapi import APIRouter

from api.accounts.endpoints import router as accounts
from api.admin.endpoints import router as admin
from api.alerts.endpoints import router as alerts
from api.audit.endpoints import router as audit
from api.backtests.endpoints import router as backtests
from api.billing.endpoints import router as billing
from api.bots.endpoints import router as bots
from api.charts.endpoints import router as charts
from api.events.endpoints import router as events
from api.factors.endpoints import router as factors
from api.halts.endpoints import router as halts
from api.health.endpoints import router as health
from api.keys.endpoints import router as keys
from api.logs.endpoints import router as logs
from api.market.endpoints import router as market
from api.metrics.endpoints import router as metrics
from api.notifications.endpoints import router as notifications
from api.orders.endpoints import router as orders
from api.plans.endpoints import router as plans
from api.positions.endpoints import router as positions
from api.sessions.endpoints import router as sessions
from api.signup.endpoints import router as signup
from api.strategies.endpoints import router as strategies
from api.tokens.endpoints import router as tokens
from api.trades.endpoints import router as trades
from api.users.endpoints import router as users
from api.users.leaving import router as leaving

__all__ = ["ROUTERS"]

# A feature stands here once it has endpoints.
# Paths are tried in this order, so that the one that is asked most is the first.
ROUTERS: tuple[APIRouter, ...] = (
    trades,
    strategies,
    bots,
    charts,
    halts,
    logs,
    orders,
    positions,
    market,
    backtests,
    signup,
    sessions,
    factors,
    users,
    leaving,
    tokens,
    keys,
    accounts,
    health,
    events,
    alerts,
    audit,
    admin,
    plans,
    billing,
    metrics,
    notifications,
)
