"""Access tokens: none that is forged gets in, and keys are long enough."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from candela.clock import FixedClock
from candela.identity.access import AccessTokens, SigningKeys, WeakKey
from candela.identity.caller import NotAuthenticated
from candela.ids import new_id
from tests.fixtures.desk import NOW

KEYS = {1: bytes(range(32)), 2: bytes(range(50, 82))}
TENANT, USER, SESSION = (new_id(NOW) for _ in range(3))


def tokens(clock: FixedClock | None = None, keys: Mapping[int, bytes] = KEYS) -> AccessTokens:
    return AccessTokens(SigningKeys(keys), clock or FixedClock(NOW))


def issued(made: AccessTokens) -> str:
    return made.issue(tenant_id=TENANT, user_id=USER, session_id=SESSION, role="user")[0]


def claims(**changed: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "aud": "candela",
        "typ": "access",
        "jti": str(new_id(NOW)),
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=15)).timestamp()),
        "sub": str(USER),
        "ten": str(TENANT),
        "sid": str(SESSION),
        "rol": "user",
    } | changed
    return {name: value for name, value in content.items() if value is not None}


def signed(
    content: Mapping[str, Any], key: bytes = KEYS[2], *, algorithm: str = "HS256", **head: Any
) -> str:
    headers = {"kid": "2"} | head
    return jwt.encode(dict(content), key, algorithm=algorithm, headers=headers)


def raw(head: object, content: object, key: bytes | None = KEYS[2]) -> str:
    """Sign whatever it is, as no library would."""
    parts = [_part(json.dumps(one).encode()) for one in (head, content)]
    text = ".".join(parts)
    mark = b"" if key is None else hmac.digest(key, text.encode(), hashlib.sha256)
    return f"{text}.{_part(mark)}"


def _part(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _good() -> str:
    return issued(tokens())


def _swapped() -> str:
    head, content, mark = _good().split(".")
    changed = json.loads(base64.urlsafe_b64decode(content + "==")) | {"rol": "superadmin"}
    return f"{head}.{_part(json.dumps(changed).encode())}.{mark}"


FORGED: dict[str, Callable[[], str]] = {
    "none": lambda: raw({"alg": "none", "kid": "2"}, claims(), None),
    "none-in-capitals": lambda: raw({"alg": "NONE", "kid": "2"}, claims(), None),
    "none-but-signed": lambda: raw({"alg": "none", "kid": "2"}, claims()),
    "no-algorithm": lambda: raw({"kid": "2"}, claims()),
    "hs384": lambda: signed(claims(), KEYS[2] * 2, algorithm="HS384"),
    "hs512": lambda: signed(claims(), KEYS[2] * 2, algorithm="HS512"),
    "rs256-in-name": lambda: raw({"alg": "RS256", "kid": "2"}, claims()),
    "es256-in-name": lambda: raw({"alg": "ES256", "kid": "2"}, claims()),
    "foreign-key": lambda: signed(claims(), bytes(32)),
    "older-key-newer-name": lambda: signed(claims(), KEYS[1]),
    "unknown-key": lambda: signed(claims(), kid="3"),
    "no-key-name": lambda: raw({"alg": "HS256"}, claims()),
    "key-name-is-a-path": lambda: signed(claims(), bytes(32), kid="../../dev/null"),
    "key-name-is-sql": lambda: signed(claims(), kid="2' OR '1'='1"),
    "key-name-is-a-list": lambda: raw({"alg": "HS256", "kid": [2]}, claims()),
    "own-key-in-header": lambda: signed(
        claims(), bytes(32), jwk={"kty": "oct", "k": _part(bytes(32))}
    ),
    "unknown-crit": lambda: signed(claims(), crit=["exp"]),
    "payload-swapped": _swapped,
    "mark-cut": lambda: _good()[:-2],
    "mark-missing": lambda: _good().rpartition(".")[0] + ".",
    "first-bit": lambda: ("f" if _good()[0] != "f" else "e") + _good()[1:],
    "no-exp": lambda: signed(claims(exp=None)),
    "no-iat": lambda: signed(claims(iat=None)),
    "no-sub": lambda: signed(claims(sub=None)),
    "no-aud": lambda: signed(claims(aud=None)),
    "no-jti": lambda: signed(claims(jti=None)),
    "no-typ": lambda: signed(claims(typ=None)),
    "other-audience": lambda: signed(claims(aud="elsewhere")),
    "refresh": lambda: signed(claims(typ="refresh")),
    "challenge": lambda: tokens().challenge(tenant_id=TENANT, user_id=USER)[0],
    "over": lambda: signed(claims(exp=int(NOW.timestamp()))),
    "exp-no-number": lambda: signed(claims(exp="soon")),
    "payload-a-list": lambda: raw({"alg": "HS256", "kid": "2"}, [1]),
    "header-nested": lambda: _part(b"[" * 1_000 + b"]" * 1_000).rstrip("=") + ".e30.e30",
    "encrypted": lambda: "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
    "empty": lambda: "",
    "blank": lambda: " ",
    "endless": lambda: _good() + "A" * 100_000,
    "api-token": lambda: "cnd_" + "A" * 43,
    "surrogate": lambda: "\udcff.e30.e30",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_token_is_never_accepted(name: str) -> None:
    """S15: algorithms, keys, claims, shapes; S16: what is for something else is no access."""
    made = tokens()
    good = asyncio.run(made.caller(_good()))
    assert (good.tenant_id, good.user_id, good.session_id) == (TENANT, USER, SESSION)
    with pytest.raises(NotAuthenticated):
        asyncio.run(made.caller(FORGED[name]()))


def test_token_always_says_who_and_no_more_than_ids() -> None:
    """S16: fifteen minutes, ids alone; the next key verifies along with the one before."""
    clock = FixedClock(NOW)
    old = issued(tokens(clock, {1: KEYS[1]}))
    made = tokens(clock)
    for token in (old, issued(made)):
        assert asyncio.run(made.caller(token)).user_id == USER
        content = jwt.decode(token, options={"verify_signature": False})
        assert {name for name, value in content.items() if isinstance(value, str)} == {
            *("aud", "typ", "jti", "sub", "ten", "sid", "rol")
        }
        assert all(UUID(content[name]) for name in ("jti", "sub", "ten", "sid"))
    clock.at = NOW + timedelta(minutes=15)
    for token in (old, issued(tokens(FixedClock(NOW)))):
        with pytest.raises(NotAuthenticated):
            asyncio.run(made.caller(token))


@pytest.mark.parametrize("key", [b"", b"short", bytes(31)], ids=["none", "five", "31"])
def test_signing_key_that_is_short_is_refused(key: bytes) -> None:
    """S15: under 32 bytes the application does not start."""
    with pytest.raises(WeakKey):
        SigningKeys({1: bytes(32), 2: key})
    with pytest.raises(WeakKey):
        SigningKeys({})
