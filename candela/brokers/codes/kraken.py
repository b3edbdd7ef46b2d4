"""Kraken's error texts of spot orders.

Source: Kraken's API documentation, "Errors"; the answers come with HTTP 200 and a list of texts
such as ``EOrder:Insufficient funds``, of which the first one counts.
"""

from __future__ import annotations

from typing import Final, cast

from candela.brokers.codes.ruling import CodeTable, Fault

__all__ = ["KRAKEN"]


def _fault(content: object) -> Fault | None:
    if not isinstance(content, dict):
        return None
    found = cast("dict[str, object]", content).get("error")
    if isinstance(found, str) and found:
        return found, found
    if not isinstance(found, list):
        return None
    # What begins with W is a warning.
    errors = [str(one) for one in cast("list[object]", found) if not str(one).startswith("W")]
    return (errors[0], "; ".join(errors)) if errors else None


def _is_order_refusal(code: str) -> bool:
    # EOrder is the order's own check: it never reached the book.
    return code.startswith(("EOrder:", "EQuery:Unknown asset", "EQuery:Invalid asset"))


KRAKEN: Final = CodeTable(
    venue="kraken",
    fault_of=_fault,
    refused=frozenset(
        {
            "EGeneral:Invalid arguments",
            "EOrder:Insufficient funds",
            "EOrder:Order minimum not met",
            "EOrder:Cost minimum not met",
            "EOrder:Tick size check failed",
            "EOrder:Orders limit exceeded",
            "EOrder:Positions limit exceeded",
            "EOrder:Cannot open position",
            "EOrder:Trading agreement required",
            "EService:Market in cancel_only mode",
            "EService:Market in post_only mode",
            "EService:Market in limit_only mode",
            "EAccount:Invalid permissions",
            "ETrade:Locked",
            "ETrade:User Locked",
        }
    ),
    unknown=frozenset(
        {
            "EService:Unavailable",
            "EService:Busy",
            "EService:Timeout",
            "EService:Deadline elapsed",
            "EGeneral:Internal error",
            "EDatabase:Internal error",
        }
    ),
    throttled=frozenset(
        {
            "EAPI:Rate limit exceeded",
            "EOrder:Rate limit exceeded",
            "EOrder:Domain rate limit exceeded",
            "EGeneral:Too many requests",
            "EGeneral:Temporary lockout",
        }
    ),
    dead=frozenset(
        {
            "EAPI:Invalid key",
            "EAPI:Invalid signature",
            "EAPI:Feature disabled",
            "EGeneral:Permission denied",
            "EAuth:Account temporary disabled",
            "EAuth:Account unconfirmed",
            "EAuth:Rate limit exceeded",
            "ESession:Invalid session",
        }
    ),
    # A nonce that is not above the last one: nothing was done, and a later one may go.
    clock=frozenset({"EAPI:Invalid nonce"}),
    missing=frozenset({"EOrder:Unknown order", "EOrder:Invalid order"}),
    exists=frozenset({"duplicate cl_ord_id", "duplicate client order"}),
    also_refused=_is_order_refusal,
    waits_s={
        "EAPI:Rate limit exceeded": 15.0,
        "EOrder:Rate limit exceeded": 10.0,
        "EGeneral:Too many requests": 10.0,
        "EGeneral:Temporary lockout": 900.0,
    },
)
