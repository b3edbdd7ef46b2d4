"""Every Redis key and its time to live, named in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BudgetKeys", "budget_keys"]


@dataclass(frozen=True, slots=True)
class BudgetKeys:
    """The keys of one venue's request budget; one slot of a cluster, thanks to the hash tag.

    Parameters
    ----------
    spent
        Hash: number of a slice of time to the weight granted in it. Lives one window longer than
        the last grant.
    observed
        String ``used at_ms until_ms``: what the venue itself said was used. Lives to the end of
        the venue's window.
    blocked
        String: the instant, in milliseconds since 1970 by the Redis server's clock, before which
        nobody may ask the venue anything. Lives until that instant.
    """

    spent: str
    observed: str
    blocked: str


def budget_keys(venue: str, pool: str) -> BudgetKeys:
    """Name the keys of a venue's budget.

    Parameters
    ----------
    pool
        The part of the venue with a weight limit of its own; a block covers all pools.
    """
    prefix = f"candela:{{{venue}}}:budget"
    return BudgetKeys(
        spent=f"{prefix}:{pool}:spent",
        observed=f"{prefix}:{pool}:observed",
        blocked=f"{prefix}:blocked",
    )
