"""The second factor: set up, shown once each, recovered from, turned off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pyotp.totp import TOTP

from tests.fixtures.desk import NOW
from tests.fixtures.logins import PASSWORD, enrolled, get, logged_in, mails, post

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from tests.fixtures.api import Api


def code_at(secret: str, at: datetime) -> str:
    return TOTP(secret).generate_otp(int(at.timestamp()) // 30)


def turned_on(api: Api) -> tuple[str, dict[str, Any]]:
    """Return the secret and what confirming it gave."""
    enrolled(api)
    token = logged_in(api)["access_token"]
    setup = post(api, "/auth/2fa/setup", token, password=PASSWORD).json()
    assert setup["uri"].startswith("otpauth://totp/Candela:ada%40example.com?")
    done = post(api, "/auth/2fa/confirm", token, code=code_at(setup["secret"], api.clock.at))
    assert done.status_code == 200, done.text
    api.clock.at += timedelta(minutes=1)
    return setup["secret"], done.json()


def test_second_factor_when_on_is_asked_for_at_each_login(api: Api, api_clock: FixedClock) -> None:
    secret, on = turned_on(api)
    assert len(set(on["recovery_codes"])) == 10
    login = {"email": "ada@example.com", "password": PASSWORD}
    step = post(api, "/auth/login", **login).json()
    assert step["status"] == "second_factor"
    assert get(api, "/users/me", step["challenge"]).status_code == 401
    code = code_at(secret, api_clock.at)
    wrong = post(
        api, "/auth/2fa", challenge=step["challenge"], code=f"{(int(code) + 1) % 10**6:06}"
    )
    assert (wrong.status_code, wrong.json()["code"]) == (401, "code_wrong")
    forged = post(api, "/auth/2fa", challenge=on["access_token"], code=code)
    assert forged.status_code == 401
    found = post(api, "/auth/2fa", challenge=step["challenge"], code=code)
    assert found.status_code == 200, found.text
    assert get(api, "/users/me", found.json()["access_token"]).json()["has_second_factor"]
    again = post(api, "/auth/2fa", challenge=step["challenge"], code=code)
    assert again.json()["code"] == "code_wrong", "a code was taken twice"
    api_clock.at += timedelta(minutes=5)
    late = post(api, "/auth/2fa", challenge=step["challenge"], code=code_at(secret, api_clock.at))
    assert late.json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    ("drift_s", "status"), [(-60, 401), (-30, 200), (0, 200), (30, 200), (60, 401)]
)
def test_code_of_a_neighbouring_step_is_taken_and_none_further(
    api: Api, api_clock: FixedClock, drift_s: int, status: int
) -> None:
    secret, on = turned_on(api)
    api_clock.at += timedelta(minutes=2)
    code = code_at(secret, api_clock.at + timedelta(seconds=drift_s))
    found = post(api, "/auth/2fa/refresh", on["access_token"], code=code)
    assert found.status_code == status
    if status == 200:
        assert found.json()["second_factor_at"] == api_clock.at.isoformat().replace("+00:00", "Z")


def test_code_when_shown_by_many_at_once_is_taken_once(api: Api) -> None:
    secret, on = turned_on(api)
    code = code_at(secret, api.clock.at)

    def shown(_: int) -> int:
        return post(api, "/auth/2fa/refresh", on["access_token"], code=code).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(shown, range(8)))
    assert statuses == [200] + [401] * 7


def test_codes_when_guessed_at_are_refused_after_ten(api: Api) -> None:
    """S18: ten guesses in a quarter of an hour, from wherever."""
    secret, on = turned_on(api)
    right = code_at(secret, api.clock.at)
    for guess in range(10):
        code = f"{(int(right) + 7 + guess) % 10**6:06}"
        assert post(api, "/auth/2fa/refresh", on["access_token"], code=code).status_code == 401
    found = post(api, "/auth/2fa/refresh", on["access_token"], code=right)
    assert (found.status_code, found.json()["code"]) == (429, "too_many_attempts")


def test_recovery_code_always_stands_in_once(api: Api) -> None:
    secret, on = turned_on(api)
    login = {"email": "ada@example.com", "password": PASSWORD}
    code = on["recovery_codes"][3]
    for status in (200, 401):
        step = post(api, "/auth/login", **login).json()
        shown = post(api, "/auth/2fa", challenge=step["challenge"], code=code.upper())
        assert shown.status_code == status
    token = on["access_token"]
    assert get(api, "/users/me", token).json()["recovery_codes_left"] == 9
    renewed = post(
        api, "/auth/2fa/recovery-codes", token, code=code_at(secret, api.clock.at)
    ).json()["recovery_codes"]
    assert not set(renewed) & set(on["recovery_codes"])
    assert get(api, "/users/me", token).json()["recovery_codes_left"] == 10
    old = post(api, "/auth/2fa/refresh", token, code=on["recovery_codes"][0])
    assert old.status_code == 401
    with api.database.connect() as connection:
        rows = connection.execute("SELECT code_hash FROM identity.recovery_codes").fetchall()
        sealed = connection.execute("SELECT totp_sealed FROM identity.credentials").fetchone()
    assert sealed is not None
    assert secret.encode() not in bytes(sealed[0])
    assert all(len(bytes(row[0])) == 32 for row in rows)


def test_second_factor_when_turned_off_takes_password_and_code(
    api: Api, api_clock: FixedClock
) -> None:
    secret, on = turned_on(api)
    token = on["access_token"]
    again = post(api, "/auth/2fa/setup", token, password=PASSWORD)
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_on")
    code = code_at(secret, api_clock.at)
    wrong = post(api, "/auth/2fa/disable", token, password="not mine", code=code)
    assert wrong.json()["code"] == "wrong_password"
    assert post(api, "/auth/2fa/disable", token, password=PASSWORD, code=code).status_code == 204
    assert logged_in(api)["status"] == "ok"
    off = post(api, "/auth/2fa/refresh", token, code=code)
    assert (off.status_code, off.json()["code"]) == (409, "second_factor_off")
    assert mails(api).count("second_factor_changed") == 2


def test_setup_without_the_password_is_refused(api: Api) -> None:
    enrolled(api)
    token = logged_in(api)["access_token"]
    found = post(api, "/auth/2fa/setup", token, password="not mine")
    assert (found.status_code, found.json()["code"]) == (403, "wrong_password")
    unbegun = post(api, "/auth/2fa/confirm", token, code="123456")
    assert unbegun.json()["code"] == "second_factor_off"
    assert api.clock.at == NOW
