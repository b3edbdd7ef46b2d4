"""Rotation: nothing is unreadable afterwards, whenever it was interrupted."""

from __future__ import annotations

from uuid import UUID

import pytest

from candela.vault.credential import Credential
from candela.vault.envelope import (
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
from candela.vault.masterkeys import MasterKeys, UnknownMasterKey
from candela.vault.rotation import reseal, rewrap

TENANTS = [UUID(int=number) for number in range(1, 41)]


def masters(*versions: int) -> MasterKeys:
    return MasterKeys(
        {
            version: Credential(bytes((version * 37 + 11 * at) % 256 for at in range(32)))
            for version in versions
        }
    )


def test_rotation_when_interrupted_and_begun_again_then_all_open_without_the_old_master() -> None:
    keys = {tenant: new_data_key(tenant, 1) for tenant in TENANTS}
    places = {tenant: Place(tenant, "exchange", tenant) for tenant in TENANTS}
    sealed = {
        tenant: seal(keys[tenant], places[tenant], Credential(f"secret of {tenant}"))
        for tenant in TENANTS
    }
    rows = {tenant: wrap(masters(1), key) for tenant, key in keys.items()}

    def rotate(until: int) -> int:
        changed = 0
        for tenant in TENANTS[:until]:
            fresh = rewrap(masters(1, 2), tenant, 1, rows[tenant])
            if fresh is not None:
                rows[tenant] = fresh
                changed += 1
        return changed

    assert rotate(17) == 17  # killed here
    for tenant in TENANTS:  # under way, both open
        unwrap(masters(1, 2), tenant, 1, rows[tenant])
    assert rotate(len(TENANTS)) == len(TENANTS) - 17
    assert rotate(len(TENANTS)) == 0
    assert {master_version_of(row) for row in rows.values()} == {2}
    for tenant in TENANTS:
        key = unwrap(masters(2), tenant, 1, rows[tenant])
        assert unseal(key, places[tenant], sealed[tenant]).reveal() == f"secret of {tenant}"
        with pytest.raises(UnknownMasterKey):
            unwrap(masters(1), tenant, 1, rows[tenant])


def test_secret_when_sealed_anew_then_only_the_new_key_opens_it() -> None:
    tenant = TENANTS[0]
    place = Place(tenant, "exchange", UUID(int=9))
    old, new = new_data_key(tenant, 1), new_data_key(tenant, 2)
    sealed = seal(old, place, Credential("s"))
    moved = reseal(old, new, place, sealed)
    assert moved is not None
    assert key_version_of(moved) == 2
    assert unseal(new, place, moved).reveal() == "s"
    assert reseal(old, new, place, moved) is None
    with pytest.raises(SealBroken):
        unseal(old, place, moved)
    with pytest.raises(SealBroken):
        reseal(new_data_key(tenant, 1), new, place, sealed)


def test_rotation_of_a_row_that_was_moved_then_refused_and_not_made_valid() -> None:
    row = wrap(masters(1), new_data_key(TENANTS[0], 1))
    with pytest.raises(SealBroken):
        rewrap(masters(1, 2), TENANTS[1], 1, row)
    with pytest.raises(SealBroken):
        rewrap(masters(1, 2), TENANTS[0], 2, row)
