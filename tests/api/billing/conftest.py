"""The API beside the stand-in for Stripe, and what Stripe tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from candela.billing.gateway import Gateway
from candela.vault.credential import Credential
from sandbox.stripe.double import StripeDouble
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from httpx2 import Response

    from candela.clock import FixedClock
    from tests.fixtures.api import Api, Person


@dataclass
class Shop:
    """The API, the stand-in, and people who buy."""

    api: Api
    stripe: StripeDouble
    told: int = 0
    people: list[Person] = field(default_factory=list["Person"])

    def buyer(self, email: str = "me@example.com") -> Person:
        person = self.api.person(email, plan="free")
        self.people.append(person)
        return person

    def tell(self, event: dict[str, Any]) -> Response:
        """Hand an event over as Stripe would send it now."""
        body, header = self.stripe.hooks.signed(event)
        return self.post(body, header)

    def post(self, body: bytes, header: str | None) -> Response:
        headers = {} if header is None else {"stripe-signature": header}
        return self.api.client.post("/api/v1/webhooks/stripe", content=body, headers=headers)

    def tell_all(self) -> list[str]:
        """Hand over what happened since the last time, in order; return the outcomes."""
        events = self.stripe.book.events[self.told :]
        self.told += len(events)
        answers = [self.tell(event) for event in events]
        assert {one.status_code for one in answers} <= {200}, [one.text for one in answers]
        return [one.json()["outcome"] for one in answers]

    def buy(self, person: Person, plan: str, interval: str = "month") -> None:
        """Go through checkout to the end, and let Stripe tell."""
        asked = person.post("/billing/checkout", json={"plan": plan, "interval": interval})
        assert asked.status_code == 201, asked.text
        page = asked.json()
        self.stripe.press(page["url"], "pay" if page["purpose"] == "checkout" else "confirm")
        self.tell_all()

    def pass_days(self, days: float) -> int:
        """Let time go by, here and at Stripe."""
        self.stripe.book.ahead_s -= int(days * 86_400)
        self.api.clock.at += timedelta(days=days)
        for person in self.people:
            self._log_in(person)
        return self.stripe.advance(days=days)

    def _log_in(self, person: Person) -> None:
        """Give a new token for the same session: tokens last minutes, subscriptions months."""
        sessions = self.rows("identity.sessions")
        user = person.desk.user
        (found,) = (one for one in sessions if one["user_id"] == user.user_id)
        person.token, _ = self.api.state.access.issue(
            tenant_id=user.tenant_id,
            user_id=user.user_id,
            session_id=found["session_id"],
            role="user",
            second_factor_at=NOW,
        )

    def row(self, table: str = "tenancy.subscriptions") -> dict[str, Any]:
        (row,) = self.rows(table)
        return row

    def rows(self, table: str) -> list[dict[str, Any]]:
        with (
            self.api.database.connect() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(f"SELECT * FROM {table}".encode()).fetchall()


@pytest.fixture
def shop(api: Api, api_clock: FixedClock) -> Iterator[Shop]:
    """Give the API with a stand-in for Stripe that shares its clock."""
    with StripeDouble(clock=api_clock) as stripe:
        api.state.billing = Gateway(
            Credential(stripe.key), Credential(stripe.webhook_secret), stripe.url
        )
        yield Shop(api, stripe)
