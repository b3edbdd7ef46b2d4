"""Sealed secrets open in their own place only, and nothing shows them."""

from __future__ import annotations

import base64
import copy
import io
import itertools
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from candela.errors import VaultError
from candela.logging import ConsoleFormatter, JsonFormatter
from candela.vault.credential import Credential, CredentialWiped, last_four
from candela.vault.envelope import (
    DataKey,
    Place,
    SealBroken,
    key_version_of,
    master_version_of,
    new_data_key,
    seal,
    unseal,
    unwrap,
    wrap,
)
from candela.vault.masterkeys import (
    BadMasterKeys,
    MasterKeys,
    UnknownMasterKey,
    master_keys_from_text,
)

TENANT, OTHER = UUID(int=1 << 100), UUID(int=2)
PLACE = Place(TENANT, "exchange", UUID(int=3))
CANARY = "canary-7f3a9c-5e21d0b4-secret"


def key_bytes(seed: int) -> bytes:
    return bytes((seed * 37 + 11 * number) % 256 for number in range(32))


def masters(*versions: int) -> MasterKeys:
    return MasterKeys({version: Credential(key_bytes(version)) for version in versions})


def data_key(seed: int = 40, version: int = 1, tenant: UUID = TENANT) -> DataKey:
    return DataKey(tenant, version, Credential(key_bytes(seed)))


KEY = data_key()
SEALED = seal(KEY, PLACE, Credential(CANARY))
WRAPPED = wrap(masters(1), KEY)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_secret_of_any_bytes_when_sealed_and_opened_then_the_same(secret: bytes) -> None:
    sealed = seal(KEY, PLACE, Credential(secret))
    assert bytes(unseal(KEY, PLACE, sealed).reveal_bytes()) == secret
    assert secret not in sealed or len(secret) < 3
    assert seal(KEY, PLACE, Credential(secret)) != sealed  # a nonce of its own each time
    assert key_version_of(sealed) == 1


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, row_id=UUID(int=4)),
        replace(PLACE, purpose="broker"),
        replace(PLACE, purpose=""),
        replace(PLACE, purpose="exchange\0"),
        replace(PLACE, tenant_id=OTHER),
        Place(PLACE.row_id, PLACE.purpose, PLACE.tenant_id),
    ],
)
def test_secret_when_moved_to_another_place_then_refused(place: Place) -> None:
    assert unseal(KEY, PLACE, SEALED).reveal() == CANARY
    with pytest.raises(SealBroken):
        unseal(KEY, place, SEALED)
    # Nor with the very same bytes as the key of the tenant of that place.
    with pytest.raises(SealBroken):
        unseal(replace(KEY, tenant_id=place.tenant_id), place, SEALED)


def test_secret_when_opened_by_another_key_or_version_then_refused() -> None:
    for key in (data_key(seed=41), data_key(version=2), data_key(seed=41, version=2)):
        with pytest.raises(SealBroken):
            unseal(key, PLACE, SEALED)
    forged = SEALED[:2] + (2).to_bytes(4) + SEALED[6:]  # says that version 2 sealed it
    assert key_version_of(forged) == 2
    with pytest.raises(SealBroken):
        unseal(data_key(version=2), PLACE, forged)


def opened_secret(stored: bytes) -> object:
    return unseal(KEY, PLACE, stored)


def opened_key(stored: bytes) -> object:
    # All versions that a flipped bit may name are there, so that the tag decides and not the lack.
    flipped = {1, *(1 ^ 1 << bit for bit in range(1, 31))}
    return unwrap(masters(*flipped), TENANT, 1, stored)


STORED = [(SEALED, opened_secret), (WRAPPED, opened_key)]


@pytest.mark.parametrize(("stored", "opened"), STORED, ids=["secret", "key"])
def test_stored_bytes_when_any_bit_is_flipped_then_refused(
    stored: bytes, opened: Callable[[bytes], object]
) -> None:
    opened(stored)
    accepted: list[int] = []
    for bit in range(len(stored) * 8):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            opened(bytes(changed))
        except VaultError:
            continue
        accepted.append(bit)
    assert accepted == []


@pytest.mark.parametrize(("stored", "opened"), STORED, ids=["secret", "key"])
def test_stored_bytes_when_cut_or_lengthened_then_refused(
    stored: bytes, opened: Callable[[bytes], object]
) -> None:
    for length in range(len(stored)):
        with pytest.raises(SealBroken):
            opened(stored[:length])
        with pytest.raises(SealBroken):
            opened(stored[-length - 1 : -1])
    for more in (b"\0", stored[-1:], stored):
        with pytest.raises(SealBroken):
            opened(stored + more)


def test_wrapped_key_when_moved_to_another_tenant_or_version_then_refused() -> None:
    assert bytes(unwrap(masters(1), TENANT, 1, WRAPPED).key.reveal_bytes()) == key_bytes(40)
    for tenant, version in ((OTHER, 1), (TENANT, 2)):
        with pytest.raises(SealBroken):
            unwrap(masters(1), tenant, version, WRAPPED)
    with pytest.raises(SealBroken):
        unwrap(MasterKeys({1: Credential(key_bytes(2))}), TENANT, 1, WRAPPED)
    with pytest.raises(UnknownMasterKey, match=r"Master key 1 .* versions: 2, 3"):
        unwrap(masters(2, 3), TENANT, 1, WRAPPED)


def test_secret_and_wrapped_key_when_exchanged_then_refused() -> None:
    with pytest.raises(SealBroken):
        unseal(KEY, PLACE, WRAPPED)
    with pytest.raises(SealBroken):
        unwrap(masters(1), TENANT, 1, SEALED)


def test_secrets_of_many_rows_when_exchanged_pairwise_then_all_refused() -> None:
    places = [
        Place(TENANT, purpose, UUID(int=row))
        for purpose, row in itertools.product(("exchange", "broker", "adviser"), range(5))
    ]
    sealed = [seal(KEY, place, Credential(CANARY)) for place in places]
    for here, there in itertools.permutations(range(len(places)), 2):
        with pytest.raises(SealBroken):
            unseal(KEY, places[here], sealed[there])


def test_newest_master_key_when_several_then_wraps() -> None:
    assert master_version_of(wrap(masters(3, 10, 2), KEY)) == 10
    assert new_data_key(TENANT, 1).key != new_data_key(TENANT, 1).key


def spellings(secret: bytes) -> list[str]:
    return [
        secret.decode("latin-1"), repr(secret), repr(bytearray(secret))[11:-2], secret.hex(),
        base64.b64encode(secret).decode().rstrip("="), str(list(secret))[1:-1],
    ]  # fmt: skip


def test_credential_in_any_text_then_masked() -> None:
    credential = Credential(CANARY)
    texts = [
        str(credential), repr(credential), f"{credential}", f"{credential:>40}", f"{credential!r}",
        f"{credential!a}", "%s" % credential, "{}".format(credential), repr(KEY), repr(masters(1)),  # noqa: UP031, UP032
        repr([credential]), repr({"a": credential}), ascii(credential), str(dir(credential)),
    ]  # fmt: skip
    for text, secret in itertools.product(texts, (CANARY.encode(), key_bytes(40), key_bytes(1))):
        assert not [found for found in spellings(secret) if found in text]
    assert not hasattr(credential, "__dict__")


@pytest.mark.parametrize("form", [ConsoleFormatter(), JsonFormatter()])
def test_credential_in_a_log_then_masked_also_as_an_extra_field(form: logging.Formatter) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    logger = logging.Logger("vault")  # noqa: LOG001 - one that nothing else hears
    logger.addHandler(handler)
    credential = Credential(CANARY)
    logger.warning("key %s %r", credential, KEY, extra={"place": credential, "keys": [KEY]})
    assert "***" in stream.getvalue()
    for secret in (CANARY.encode(), key_bytes(40)):
        assert not [found for found in spellings(secret) if found in stream.getvalue()]


def test_credential_when_copied_or_pickled_then_refused() -> None:
    credential = Credential(CANARY)
    for attempt in (
        lambda: pickle.dumps(credential), lambda: pickle.dumps(KEY),
        lambda: copy.copy(credential), lambda: copy.deepcopy([credential]),
    ):  # fmt: skip
        with pytest.raises(VaultError, match="could not be wiped"):
            attempt()
    with pytest.raises(TypeError, match="unhashable"):
        hash(credential)


def test_credential_when_wiped_then_its_bytes_are_zeros_and_gone() -> None:
    with unseal(KEY, PLACE, SEALED) as credential:
        kept = credential.reveal_bytes()
        assert kept == CANARY.encode()
    assert kept == bytes(len(CANARY))
    with pytest.raises(CredentialWiped):
        credential.reveal()
    credential.wipe()
    dropped = Credential(CANARY)
    kept = dropped.reveal_bytes()
    del dropped
    assert kept == bytes(len(CANARY))
    key = data_key()
    kept = key.key.reveal_bytes()
    key.wipe()
    assert kept == bytes(32)


def test_credential_when_it_is_no_text_then_refused_without_it() -> None:
    with pytest.raises(VaultError, match="not text") as refused:
        Credential(b"\xff" + CANARY.encode()).reveal()
    assert not leaks(refused.value)


def test_credentials_when_equal_then_so_in_constant_time_and_only_to_each_other() -> None:
    assert Credential("a") == Credential(b"a")
    assert Credential("a") != Credential("b")
    assert Credential("a") != "a"
    assert last_four(Credential(CANARY)) == "cret"
    assert last_four(Credential("too-short")) == ""


def leaks(error: BaseException) -> list[str]:
    """Return the spellings of secrets in everything that a failure can show, variables too."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    seen: set[int] = set()
    shown = ""
    stack: list[BaseException | None] = [error]
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        shown += repr(one) + str(one) + repr(vars(one)) + repr(getattr(one, "object", ""))
        stack += [one.__cause__, one.__context__]
    frames = [str(one.locals) for one in told.stack if "test_envelope" not in one.filename]
    assert frames
    secrets_ = [CANARY.encode(), key_bytes(40), key_bytes(41), key_bytes(1), key_bytes(2)]
    text = shown + "".join(frames)
    return [found for secret in secrets_ for found in spellings(secret) if found in text]


def attempts() -> dict[str, Callable[[], object]]:
    tag_flipped = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
    encoded = base64.b64encode(key_bytes(1)).decode()
    place = replace(PLACE, row_id=UUID(int=9))
    foreign = MasterKeys({1: Credential(key_bytes(2))})
    texts = {
        "short": f"1:{base64.b64encode(key_bytes(1)[:31]).decode()}",
        "unversioned": encoded,
        "twice": f"1:{encoded},1:{encoded}",
        "no base64": f"1:{encoded}%",
        "cut": f"1:{encoded[:-2]}",
        "version 0": f"0:{encoded}",
    }
    return {
        "flipped tag": lambda: unseal(KEY, PLACE, tag_flipped),
        "another place": lambda: unseal(KEY, place, SEALED),
        "another key": lambda: unseal(data_key(seed=41), PLACE, SEALED),
        "another tenant": lambda: seal(KEY, replace(PLACE, tenant_id=OTHER), Credential(CANARY)),
        "wrong master": lambda: unwrap(foreign, TENANT, 1, WRAPPED),
        "no master": lambda: unwrap(masters(2), TENANT, 1, WRAPPED),
        **{
            name: lambda text=text: master_keys_from_text(SecretStr(text))
            for name, text in texts.items()
        },
    }


@pytest.mark.parametrize("name", list(attempts()))
def test_failure_of_any_kind_then_shows_no_secret_even_with_variables(name: str) -> None:
    with pytest.raises(VaultError) as refused:
        attempts()[name]()
    assert leaks(refused.value) == []


def test_master_keys_when_readable_then_by_version() -> None:
    one, two = (base64.b64encode(key_bytes(seed)).decode() for seed in (1, 2))
    keys = master_keys_from_text(SecretStr(f" 1:{one} , 12:{two},"))
    assert keys.versions == (1, 12)
    assert keys.newest == 12
    assert bytes(keys.key(12).reveal_bytes()) == key_bytes(2)
    kept = keys.key(1).reveal_bytes()
    keys.wipe()
    assert kept == bytes(32)


@pytest.mark.parametrize(
    "text",
    ["", ",", "1:", "1:AAAA", f"1:{'A' * 43}=", f"1:{base64.b64encode(b'ab' * 16).decode()}",
     f"x:{base64.b64encode(key_bytes(1)).decode()}",
     f"{2**31}:{base64.b64encode(key_bytes(1)).decode()}"],
)  # fmt: skip
def test_master_keys_when_short_weak_or_unversioned_then_refused(text: Any) -> None:
    with pytest.raises(BadMasterKeys, match="Make one with"):
        master_keys_from_text(SecretStr(text))
