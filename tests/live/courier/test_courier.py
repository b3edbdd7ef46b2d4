"""The courier: at least once, at most twice, through faults, kills and rivals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from candela.clock import FixedClock
from candela.desk.session import tenant_session
from candela.desk.users import User, create_user
from candela.identity.links import hash_of
from candela.notify.mails import queue_mail
from candela.notify.smtp import Post, read_mail_server
from live.courier.courier import WAITS, Courier
from live.courier.outbox import CLAIM
from sandbox.mail.server import SandboxMail
from tests.fixtures.desk import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.db.connect import Database
    from candela.notify.mails import MailKind

ADDRESS = "me@example.com"


@dataclass
class Stage:
    """A user, a mail server, and couriers between them."""

    database: Database
    user: User
    clock: FixedClock
    mail: SandboxMail

    def courier(self, wait_s: float = 5.0) -> Courier:
        server = read_mail_server(self.mail.smtp_url, "Candela <no-reply@example.com>")
        return Courier(
            self.database,
            server,
            public_url="https://trade.example.com",
            clock=self.clock,
            wait_s=wait_s,
        )

    def queue(self, kind: MailKind = "address_known", **params: Any) -> None:
        with tenant_session(self.database, self.user.tenant_id) as session:
            queue_mail(session, kind, user_id=self.user.user_id, clock=self.clock, **params)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.database.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()

    def one(self) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM notify.mails")
        return row

    def later(self, span: timedelta) -> None:
        self.clock.at += span


@pytest.fixture
def stage(database: Database) -> Iterator[Stage]:
    clock = FixedClock(NOW)
    user = create_user(database, ADDRESS, clock=clock, zone="Europe/Madrid")
    with SandboxMail() as mail:
        yield Stage(database, user, clock, mail)


def test_mail_when_taken_then_was_sent_once_in_the_users_language_and_zone(stage: Stage) -> None:
    with stage.database.connect() as connection:
        connection.execute("UPDATE tenancy.users SET language = 'es'")
    stage.queue("password_changed")
    assert stage.courier().look() == 1
    assert stage.courier().look() == 0
    (got,) = stage.mail.to(ADDRESS)
    assert got.subject == "Tu contraseña ha cambiado"
    assert "2 de marzo de 2026 a las 13:00" in got.text
    assert got.headers["Message-ID"] == f"<{stage.one()['mail_id']}@example.com>"
    assert stage.one()["sent_at"] == NOW
    (delivery,) = stage.rows("SELECT outcome, answer FROM notify.deliveries")
    assert delivery == {"outcome": "taken", "answer": "250 taken"}


def test_link_when_mailed_then_its_token_is_nowhere_in_the_database(stage: Stage) -> None:
    stage.queue("reset_password")
    stage.courier().look()
    (link,) = stage.mail.to(ADDRESS)[0].links
    url, _, token = link.partition("#token=")
    assert url == "https://trade.example.com/reset"
    (row,) = stage.rows("SELECT token_hash, purpose FROM identity.links")
    assert row == {"token_hash": hash_of(token), "purpose": "reset"}
    kept = stage.rows("SELECT m::text AS t FROM notify.mails AS m")
    kept += stage.rows("SELECT d::text AS t FROM notify.deliveries AS d")
    assert not any(token in row["t"] for row in kept)


def test_mail_when_the_server_says_later_then_waits_longer_each_time_and_is_given_up(
    stage: Stage,
) -> None:
    stage.mail.fail("later", times=None)
    stage.queue()
    courier = stage.courier()
    for number, wait in enumerate(WAITS, start=1):
        assert courier.look() == 1
        assert stage.one()["attempts"] == number
        assert stage.one()["due_at"] == stage.clock.at + wait
        stage.later(wait - timedelta(seconds=1))
        assert courier.look() == 0
        stage.later(timedelta(seconds=1))
    assert courier.look() == 1
    row = stage.one()
    assert row["failed_at"] == stage.clock.at
    assert row["last_error"].startswith("451")
    stage.later(timedelta(days=9))
    assert courier.look() == 0


def test_mail_when_refused_for_ever_then_is_given_up_and_the_next_one_goes_out(
    stage: Stage,
) -> None:
    stage.mail.fail("refuse")
    stage.queue()
    stage.later(timedelta(seconds=1))
    stage.queue("password_changed")
    assert stage.courier().look() == 2
    assert len(stage.mail.to(ADDRESS)) == 1
    failed = stage.rows("SELECT kind, last_error FROM notify.mails WHERE failed_at IS NOT NULL")
    assert [(row["kind"], row["last_error"][:3]) for row in failed] == [("address_known", "550")]


def test_server_when_away_then_no_mail_loses_an_attempt(stage: Stage) -> None:
    stage.queue()
    stage.mail.fail("busy", times=3)
    courier = stage.courier()
    for _ in range(3):
        assert courier.look() == 0
        assert stage.one()["attempts"] == 0
        stage.later(timedelta(seconds=31))
    assert courier.look() == 1
    assert len(stage.mail.to(ADDRESS)) == 1


def test_mail_when_answers_are_lost_then_arrives_and_never_more_than_twice(stage: Stage) -> None:
    stage.mail.fail("drop", times=None)
    stage.queue()
    for _ in range(6):
        stage.courier().look()
        stage.later(timedelta(days=1))
    assert len(stage.mail.to(ADDRESS)) == 2
    assert stage.one()["failed_at"] is not None
    ids = {got.headers["Message-ID"] for got in stage.mail.to(ADDRESS)}
    assert len(ids) == 1


class Killed(BaseException):
    """The process ends here, and nothing runs after it."""


@pytest.mark.parametrize("place", ["before", "handed", "after"])
def test_mail_when_the_courier_is_killed_then_arrives_once_or_twice(
    stage: Stage, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.queue()
    send = Post.send

    def dying(self: Post, letter: Any, handing: Any) -> str:
        if place == "before":
            raise Killed

        def handed() -> None:
            handing()
            if place == "handed":
                raise Killed

        send(self, letter, handed)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Post, "send", dying)
        with pytest.raises(Killed):
            stage.courier().look()
    assert stage.courier().look() == 0
    stage.later(CLAIM)
    assert stage.courier().look() == 1
    assert len(stage.mail.to(ADDRESS)) == (2 if place == "after" else 1)
    assert stage.one()["sent_at"] is not None


def test_mails_when_more_than_one_hand_holds_then_all_go_out_in_turns(stage: Stage) -> None:
    for _ in range(25):
        stage.queue()
    courier = stage.courier()
    assert [courier.look() for _ in range(3)] == [20, 5, 0]
    assert len(stage.mail.to(ADDRESS)) == 25


def test_couriers_when_several_look_at_once_then_each_mail_is_sent_once(stage: Stage) -> None:
    for _ in range(30):
        stage.queue()
    couriers = [stage.courier() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        while sum(pool.map(Courier.look, couriers)):
            pass
    ids = [got.headers["Message-ID"] for got in stage.mail.to(ADDRESS)]
    assert len(ids) == len(set(ids)) == 30


def test_courier_when_its_claim_ran_out_then_the_text_goes_out_by_the_other_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.queue()
    send, rivals = Post.send, [stage.courier()]

    def slow(self: Post, letter: Any, handing: Any) -> str:
        if rivals:
            stage.later(CLAIM)
            rivals.pop().look()
        return send(self, letter, handing)

    monkeypatch.setattr(Post, "send", slow)
    stage.courier().look()
    assert len(stage.mail.to(ADDRESS)) == 1


def test_mail_when_told_twice_with_one_key_then_is_one(stage: Stage) -> None:
    for _ in range(2):
        stage.queue("plan_changed", plan="pro", once_key="plan:pro")
    assert stage.one()["once_key"] == "plan:pro"
