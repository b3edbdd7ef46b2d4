"""The chain over the audit log, proved from its first link, and the check that it is whole."""

from typing import Any

import dagster as dg

from candela.audit.erasing import blank_erased
from candela.audit.sealing import seal
from candela.audit.verifying import verify
from candela.db.connect import Role
from pipelines.lib.failures import explained
from pipelines.resources import Platform

__all__ = ["audit_chain", "audit_chain_is_whole"]

_LATEST = """
SELECT n, fault FROM audit.verifications ORDER BY verified_at DESC, verification_id DESC LIMIT 1
"""


@dg.asset(
    group_name="trading",
    kinds={"postgres"},
    description=(
        "Links over the audit log of all tenants, each with the hash of the one before. Its head is"
        " published here: kept elsewhere, it proves that the chain was not written anew."
    ),
)
def audit_chain(platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    """Seal what is new, then read the whole log again and compare it with its chain."""
    with explained():
        blanked = blank_erased(platform.database)
        sealed, _ = seal(platform.database, platform.clock)
        proof = verify(platform.database, platform.clock)
    return dg.MaterializeResult(
        metadata={
            "sealed": sealed,
            "blanked": blanked,
            "links": proof.head.n,
            "head": str(proof.head),
            "fault": "none" if proof.fault is None else proof.fault.said,
        }
    )


@dg.asset_check(
    asset=audit_chain,
    name="audit_chain_is_whole",
    blocking=False,
    description="No entry was changed, deleted, reordered or put in since it was sealed.",
)
def audit_chain_is_whole(platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
    """Pass where the latest proof found no fault."""
    with platform.database.connect(Role.PIPELINES, autocommit=True) as connection:
        row = connection.execute(_LATEST).fetchone()
    fault = None if row is None else row[1]
    return dg.AssetCheckResult(passed=fault is None, metadata={"fault": fault or "none"})
