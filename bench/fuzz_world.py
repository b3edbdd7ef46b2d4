"""What the fuzzer works on: the API beside the stand-in for Stripe, and people who come to it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.limiting.limits import LIMITS
from api.opening import ApiParts
from api.state import ApiOptions
from bench.fuzz import Identity
from candela.billing.gateway import Gateway
from candela.clock import FixedClock
from candela.desk.users import create_user
from candela.vault.credential import Credential
from candela.vault.masterkeys import MasterKeys
from sandbox.stripe.double import StripeDouble
from tests.fixtures.api import SIGNING, log_in
from tests.fixtures.desk import NOW, Desk
from tests.fixtures.served import served

if TYPE_CHECKING:
    from collections.abc import Generator

    from fastapi import FastAPI

    from api.state import ApiState
    from candela.db.connect import Database
    from candela.identity.caller import UserRole

__all__ = ["World", "world"]


@contextmanager
def world(database: Database, redis_url: str) -> Generator[World]:
    """Serve the API beside the stand-in for Stripe, with people who have something of each."""
    clock, masters = FixedClock(NOW), MasterKeys({1: Credential(bytes(range(100, 132)))})
    with StripeDouble(clock=clock) as stripe:
        parts = ApiParts(
            database=database,
            redis_url=redis_url,
            clock=clock,
            signing=SIGNING,
            masters=lambda: masters,
            options=ApiOptions(limits=LIMITS.times(100_000)),
            billing=Gateway(Credential(stripe.key), Credential(stripe.webhook_secret), stripe.url),
        )
        with served(parts) as (address, app):
            yield World(address, app, database)


@dataclass
class World:
    """What is fuzzed, and how people come to it."""

    address: str
    app: FastAPI
    database: Database
    people: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """Return the document that is served."""
        return self.app.openapi()

    def identities(self) -> list[Identity]:
        """Return nobody, a user and an administrator."""
        return [
            Identity("nobody"),
            Identity("user", lambda: self.newcomer("user")),
            Identity("admin", lambda: self.newcomer("admin")),
        ]

    def newcomer(self, role: UserRole) -> str:
        """Make a tenant with an account and bots; return the token of its user."""
        state: ApiState = self.app.state.api
        clock: Any = state.clock
        self.people += 1
        email = f"{role}{self.people}@example.com"
        user = create_user(self.database, email, clock=clock, plan="pro")
        desk = Desk(self.database, user, clock)
        desk.paper(opening="100000")
        for name in ("one", "two"):
            desk.bot(name)
        return log_in(state, self.database, user, role)
