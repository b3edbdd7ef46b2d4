"""Every Redis key and its time to live, named in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

__all__ = [
    "ENDINGS_CHANNEL",
    "BudgetKeys",
    "StreamKeys",
    "budget_keys",
    "journal_key",
    "limit_key",
    "login_keys",
    "stream_keys",
    "ticket_key",
]


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


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """The keys of one stream of events; one slot of a cluster, thanks to the hash tag.

    Parameters
    ----------
    entries
        Stream: fields ``n`` (its number in this stream), ``seq`` (of the outbox), ``key`` and
        ``payload``. Entries live until every group has acknowledged them.
    count
        String: how many entries were ever added. Lives for ever; where it is lost, so is the
        stream, and readers go to the outbox.
    """

    entries: str
    count: str


def stream_keys(stream: str) -> StreamKeys:
    """Name the keys of a stream such as ``bars``."""
    prefix = f"candela:{{stream:{stream}}}"
    return StreamKeys(entries=f"{prefix}:entries", count=f"{prefix}:count")


def journal_key(tenant_id: UUID) -> str:
    """Name the live copy of a tenant's journal: a stream of at most about 1,000 lines.

    Fields ``bot``, ``at``, ``level``, ``event``, ``message`` and ``data``. Lives for a day after
    its last line; all of it is in PostgreSQL too.
    """
    return f"candela:{{{tenant_id}}}:journal"


def limit_key(owner: str, rule: str) -> str:
    """Name the budget of requests that a tenant, a token or an address has for one class.

    String: the instant, in microseconds since 1970 by the Redis server's clock, at which the budget
    is whole again. Lives until that instant.
    """
    return f"candela:{{rl:{owner}}}:{rule}"


def ticket_key(digest: str) -> str:
    """Name what a one-time ticket stands for, by the hash of the ticket.

    String: JSON with ``tenant``, ``user``, ``session`` and ``token``. Lives for half a minute, or
    until it was shown.
    """
    return f"candela:{{ticket:{digest}}}:ticket"


ENDINGS_CHANNEL: Final = "candela:{identity}:endings"
"""Channel: a word on it says that a session, a token or a user has ended, so look at PostgreSQL."""


def login_keys(email_digest: str, address: str) -> tuple[str, str, str, str]:
    """Name the counters of failed logins; one slot of a cluster, thanks to the hash tag.

    Of the address for this user, of the address, of the user, of everybody. Each lives as long as
    the window that it counts in, from the first failure on.
    """
    prefix = "candela:{login}"
    return (
        f"{prefix}:pair:{email_digest}:{address}",
        f"{prefix}:address:{address}",
        f"{prefix}:user:{email_digest}",
        f"{prefix}:all",
    )
