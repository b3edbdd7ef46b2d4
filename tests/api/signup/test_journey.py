"""From registration to a session with a second factor, and nothing that tells who is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from candela.clock import FixedClock
from tests.fixtures.desk import NOW, count
from tests.fixtures.logins import PASSWORD, enrolled, link, mails, post

if TYPE_CHECKING:
    from candela.identity.links import Purpose
    from tests.fixtures.api import Api


def test_registration_when_verified_gives_a_tenant_that_can_begin(api: Api) -> None:
    body = {"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada", "language": "pt"}
    assert post(api, "/auth/register", **body).status_code == 202
    refused = post(api, "/auth/login", email="ada@example.com", password=PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (401, "login_refused")
    token = link(api, "ada@example.com", "verify")
    assert post(api, "/auth/email/verify", token=token).status_code == 204
    found = post(api, "/auth/login", email="ada@example.com", password=PASSWORD)
    assert found.status_code == 200, found.text
    headers = {"authorization": f"Bearer {found.json()['access_token']}"}
    me = api.client.get("/api/v1/users/me", headers=headers).json()
    assert (me["plan"], me["plan_status"], me["role"], me["language"]) == (
        "free",
        "active",
        "user",
        "pt",
    )
    assert me["last_login_at"] is not None
    assert len(me["referral_code"]) == 10
    assert count(api.database, "trading.accounts") == 1
    assert mails(api) == ["verify_address"]
    friend: dict[str, Any] = {
        "email": "bo@example.com",
        "password": PASSWORD,
        "referral_code": "NOBODY22",
    }
    assert post(api, "/auth/register", **friend).json()["code"] == "unknown_referral"
    friend |= {"referral_code": me["referral_code"], "trial": True}
    assert post(api, "/auth/register", **friend).status_code == 202
    with api.database.connect() as connection:
        row = connection.execute(
            "SELECT r.referred_by, s.plan, s.status, s.period_end_at - %s FROM identity.referrals"
            " AS r INNER JOIN tenancy.subscriptions AS s USING (tenant_id)"
            " WHERE r.referred_by IS NOT NULL",
            (NOW,),
        ).fetchone()
    assert row is not None
    assert (row[:3], row[3].days) == ((me["referral_code"], "basic", "trialing"), 14)


def test_answers_when_an_address_is_known_tell_nothing_of_it(api: Api) -> None:
    """S13: body and status of register, login, forgot and resend are the same; mails are not."""
    enrolled(api)
    for path, more in (
        ("/auth/register", {"password": "another long password"}),
        ("/auth/login", {"password": "another long password"}),
        ("/auth/password/forgot", {}),
        ("/auth/email/resend", {}),
    ):
        found = post(api, path, email="ada@example.com", **more)
        other = post(api, path, email=f"nobody{path.count('/')}@example.com", **more)
        assert found.status_code == other.status_code, path
        same = [{**one.json(), "request_id": ""} for one in (found, other)]
        assert same[0] == same[1]
    assert mails(api).count("address_known") == 1
    assert mails(api).count("reset_password") == 1
    wrong = post(api, "/auth/login", email="ada@example.com", password="another long password")
    assert wrong.status_code == 401, "a second registration changed a verified user's password"


def test_registration_when_repeated_before_verification_keeps_the_newest_password(
    api: Api,
) -> None:
    """A stranger who registers an address first leaves no password of theirs behind."""
    email = {"email": "ada@example.com"}
    assert post(api, "/auth/register", **email, password="of a stranger").status_code == 202
    old = link(api, "ada@example.com", "verify")
    assert (
        post(api, "/auth/register", email="ada@example.com", password=PASSWORD).status_code == 202
    )
    assert post(api, "/auth/email/verify", token=old).json()["code"] == "link_spent"
    token = link(api, "ada@example.com", "verify")
    assert post(api, "/auth/email/verify", token=token).status_code == 204
    assert post(api, "/auth/login", **email, password="of a stranger").status_code == 401
    assert post(api, "/auth/login", **email, password=PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "password",
    ["x" * 64, "y" * 200, "🔑" * 19, "a\u0000b\u0000c long", "  spaces at ends  ", "ñandú çedilha"],
    ids=["64", "200", "emoji", "nul", "spaces", "accents"],
)
def test_password_of_any_characters_logs_in_and_its_prefix_never(api: Api, password: str) -> None:
    """S11: no limit of 72 bytes, no character that ends a password early."""
    enrolled(api, password=password)
    login = {"email": "ada@example.com"}
    assert post(api, "/auth/login", **login, password=password).status_code == 200
    for other in (password[:-1], password[: len(password) // 2], password + "x"):
        found = post(api, "/auth/login", **login, password=other)
        assert found.status_code == (401 if len(other) <= 200 else 422), repr(other)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "weak_password"),
        ("password1", "weak_password"),
        ("ADA@example.com", "weak_password"),
        ("z" * 201, "invalid_input"),
    ],
    ids=["short", "common", "address", "long"],
)
def test_registration_with_a_weak_password_is_refused(api: Api, password: str, code: str) -> None:
    found = post(api, "/auth/register", email="ada@example.com", password=password)
    assert (found.status_code, found.json()["code"]) == (422, code)
    assert password not in found.text
    assert count(api.database, "tenancy.users") == 0


def test_reset_when_its_link_is_used_ends_all_that_was_open(api: Api) -> None:
    enrolled(api)
    session = post(api, "/auth/login", email="ada@example.com", password=PASSWORD).json()
    token = link(api, "ada@example.com", "reset")
    weak = post(api, "/auth/password/reset", token=token, password="12345678")
    assert weak.json()["code"] == "weak_password"
    done = post(api, "/auth/password/reset", token=token, password="a wholly new one")
    assert done.status_code == 204
    headers = {"authorization": f"Bearer {session['access_token']}"}
    assert api.client.get("/api/v1/users/me", headers=headers).status_code == 401
    assert post(api, "/auth/refresh", refresh_token=session["refresh_token"]).status_code == 401
    login = {"email": "ada@example.com"}
    assert post(api, "/auth/login", **login, password=PASSWORD).status_code == 401
    assert post(api, "/auth/login", **login, password="a wholly new one").status_code == 200
    assert "password_changed" in mails(api)


def test_change_of_password_always_keeps_the_session_that_asks_alone(api: Api) -> None:
    """S14: a change of password ends the other sessions at once."""
    enrolled(api)
    login = {"email": "ada@example.com", "password": PASSWORD}
    here, there = (post(api, "/auth/login", **login).json() for _ in range(2))
    wrong = post(
        api,
        "/auth/password/change",
        here["access_token"],
        password="something else",
        new_password="a wholly new one",
    )
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    done = post(
        api,
        "/auth/password/change",
        here["access_token"],
        password=PASSWORD,
        new_password="a wholly new one",
    )
    assert done.status_code == 204, done.text
    for one, status in ((here, 200), (there, 401)):
        headers = {"authorization": f"Bearer {one['access_token']}"}
        assert api.client.get("/api/v1/users/me", headers=headers).status_code == status


def test_password_of_an_older_system_logs_in_once_and_is_hashed_anew(api: Api) -> None:
    """S11: bcrypt hashes are taken once, also of passwords that it had cut at 72 bytes."""
    enrolled(api)
    old = "correct horse battery staple " * 3
    hashed = bcrypt.hashpw(old.encode()[:72], bcrypt.gensalt(4)).decode()
    with api.database.connect() as connection:
        connection.execute("UPDATE identity.credentials SET password_hash = %s", (hashed,))
    login = {"email": "ada@example.com"}
    assert post(api, "/auth/login", **login, password="wrong").status_code == 401
    assert post(api, "/auth/login", **login, password=old).status_code == 200
    with api.database.connect() as connection:
        row = connection.execute("SELECT password_hash FROM identity.credentials").fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert post(api, "/auth/login", **login, password=old[:72]).status_code == 401
    assert post(api, "/auth/login", **login, password=old).status_code == 200


@pytest.mark.parametrize("purpose", ["verify", "reset"])
def test_link_when_posted_fifty_times_at_once_works_once(api: Api, purpose: Purpose) -> None:
    """S17: single use in parallel, bound to its purpose, and only for its time."""
    post(api, "/auth/register", email="ada@example.com", password=PASSWORD)
    token = link(api, "ada@example.com", purpose)
    path = {"verify": "/auth/email/verify", "reset": "/auth/password/reset"}
    bodies: dict[str, dict[str, str]] = {"verify": {}, "reset": {"password": "a wholly new one"}}
    other: Purpose = "reset" if purpose == "verify" else "verify"
    foreign = post(api, path[other], token=token, **bodies[other])
    assert foreign.json()["code"] == "link_spent"
    with ThreadPoolExecutor(50) as threads:
        jobs = [
            threads.submit(post, api, path[purpose], token=token, **bodies[purpose])
            for _ in range(50)
        ]
        statuses = [job.result().status_code for job in jobs]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 422, 429}
    with api.database.connect() as connection:
        rows = connection.execute("SELECT token_hash FROM identity.links").fetchall()
    assert len(token) == 43
    assert all(token.encode() not in bytes(row[0]) for row in rows)


@pytest.mark.parametrize(
    ("purpose", "minutes"), [("reset", 10), ("verify", 48 * 60)], ids=["reset", "verify"]
)
def test_link_after_its_time_is_spent(
    api: Api, api_clock: FixedClock, purpose: Purpose, minutes: int
) -> None:
    """S17: 10 minutes for a new password, 48 hours for an address."""
    post(api, "/auth/register", email="ada@example.com", password=PASSWORD)
    token = link(api, "ada@example.com", purpose)
    api_clock.at = NOW + timedelta(minutes=minutes)
    path, more = (
        ("/auth/password/reset", {"password": "a wholly new one"})
        if purpose == "reset"
        else ("/auth/email/verify", {})
    )
    assert post(api, path, token=token, **more).json()["code"] == "link_spent"
    api_clock.at = NOW + timedelta(minutes=minutes) - timedelta(seconds=1)
    assert post(api, path, token=token, **more).status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/auth/login",
        "/auth/register",
        "/auth/password/forgot",
        "/auth/refresh",
        "/auth/email/verify",
        "/auth/2fa",
    ],
)
@pytest.mark.parametrize(
    "text", ["a\\u0000b@example.com", "a\\ud800@example.com"], ids=["nul", "half"]
)
def test_body_with_odd_characters_never_fails_in_here(api: Api, path: str, text: str) -> None:
    fields = {
        "/auth/login": ("email", "password"),
        "/auth/register": ("email", "password"),
        "/auth/password/forgot": ("email",),
        "/auth/refresh": ("refresh_token",),
        "/auth/email/verify": ("token",),
        "/auth/2fa": ("challenge", "code"),
    }
    body = "{" + ",".join(f'"{name}": "{text}"' for name in fields[path]) + "}"
    headers = {"content-type": "application/json"}
    found = api.client.post(f"/api/v1{path}", content=body, headers=headers)
    assert found.status_code in {401, 422}, found.text
