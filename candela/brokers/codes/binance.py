"""Binance's error codes of spot orders.

Source: binance/binance-spot-api-docs, errors.md and rest-api.md.
"""

from __future__ import annotations

from typing import Final, cast

from candela.brokers.codes.ruling import CodeTable, Fault

__all__ = ["BINANCE"]


def _fault(content: object) -> Fault | None:
    if not isinstance(content, dict):
        return None
    body = cast("dict[str, object]", content)
    code = body.get("code")
    # The interface of keys answers some refusals with {"success": false, "msg": ...}.
    if code is None and body.get("success") is False:
        return "success=false", str(body.get("msg", ""))
    if not isinstance(code, int | str) or isinstance(code, bool) or str(code) in {"0", "200"}:
        return None
    return str(code), str(body.get("msg", ""))


_FIRST_OF_REQUESTS: Final = 1_100
_LAST_OF_REQUESTS: Final = 1_199


def _is_bad_request(code: str) -> bool:
    # -11xx: the request itself is wrong, so that it never went further.
    digits = code.removeprefix("-")
    return digits.isdecimal() and _FIRST_OF_REQUESTS <= int(digits) <= _LAST_OF_REQUESTS


BINANCE: Final = CodeTable(
    venue="binance",
    fault_of=_fault,
    refused=frozenset(
        {
            "-1010",  # of the matching engine; it never became an order
            "-1013",  # a filter: LOT_SIZE, PRICE_FILTER, NOTIONAL ...
            "-1014",  # unsupported combination
            "-1020",  # not supported
            "-1108",
            "-2010",  # rejected: balance, would take, market closed; see `exists`
            "-2011",  # cancel rejected: not open any more
            "-2016",  # no trading window
            "-2021",  # half of a cancel-replace failed
            "-2022",
            "-2035",
            "-2036",
            "-2038",
            "-2039",
        }
    ),
    unknown=frozenset(
        {
            "-1000",  # unknown error while processing
            "-1001",  # disconnected inside the venue
            "-1004",
            "-1006",  # unexpected response: execution status unknown
            "-1007",  # time-out of the backend: send status unknown
            "-1016",
        }
    ),
    throttled=frozenset({"-1008", "-1015"}),
    address_wide=frozenset({"-1003"}),
    # A wrong signature is a wrong secret: only the signed text could be at fault besides.
    dead=frozenset({"-1002", "-1022", "-2014", "-2015", "-2008"}),
    clock=frozenset({"-1021"}),
    missing=frozenset({"-2013", "-2026"}),
    exists=frozenset({"duplicate order"}),
    also_refused=_is_bad_request,
    waits_s={"-1003": 60.0, "-1008": 5.0, "-1015": 10.0},
)
