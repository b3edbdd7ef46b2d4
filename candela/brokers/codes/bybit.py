"""Bybit's return codes of spot orders, interface version 5.

Source: Bybit's API documentation, "Error Codes"; the answers come with HTTP 200 and a retCode.
"""

from __future__ import annotations

from typing import Final, cast

from candela.brokers.codes.ruling import CodeTable, Fault

__all__ = ["BYBIT"]


def _fault(content: object) -> Fault | None:
    if not isinstance(content, dict):
        return None
    body = cast("dict[str, object]", content)
    code = body.get("retCode", body.get("ret_code"))
    if code is None or str(code) == "0":
        return None
    return str(code), str(body.get("retMsg", body.get("ret_msg", "")))


BYBIT: Final = CodeTable(
    venue="bybit",
    fault_of=_fault,
    refused=frozenset(
        {
            "10001",  # a parameter
            "10017",
            "10020",
            "10024",  # compliance
            "10027",  # trading banned
            "10028",
            "10029",
            "12137",
            "12201",
            "110003",
            "110004",
            "110007",
            "110012",
            "110020",  # too many open orders
            "110032",
            "110094",
            "170010",
            "170011",
            "170019",
            "170031",
            "170033",
            "170034",
            "170036",
            "170037",
            "170105",
            "170115",
            "170116",
            "170117",
            "170121",
            "170124",
            "170130",
            "170131",  # balance
            "170132",
            "170133",
            "170134",
            "170135",
            "170136",
            "170137",
            "170139",  # cancel: filled
            "170140",
            "170142",  # cancel: cancelled already
            "170145",
            "170148",
            "170151",
            "170157",
            "170159",
            "170190",
            "170192",
            "170193",
            "170194",
            "170197",
            "170198",
            "170201",
            "170202",
            "170203",
            "170204",
            "170206",
            "170209",
            "170210",
            "170217",
            "170218",
            "170221",
            "170223",
            "170224",
            "170226",
            "170227",
            "170228",
            "170229",
            "170241",
            "170371",
            "170372",
        }
    ),
    unknown=frozenset(
        {
            "10000",  # server time-out
            "10016",  # server error
            "170001",  # internal error
            "170007",  # time-out of the backend
            "170032",
            "170035",  # submitted for processing
            "170144",  # the order is locked
            "170146",  # creation timed out
            "170147",  # cancellation timed out
            "170149",
            "170150",
            "170191",
            "170195",
            "170196",
            "170234",
            "110079",  # being processed
        }
    ),
    throttled=frozenset({"10006", "10429", "170005", "170222"}),
    address_wide=frozenset({"10018", "10009"}),
    dead=frozenset({"10003", "10004", "10005", "10007", "10008", "10010", "33004"}),
    clock=frozenset({"10002"}),
    missing=frozenset({"170213", "170143", "110001"}),
    exists=frozenset({"10014", "12141", "110072", "170141"}),
    waits_s={"10006": 1.0, "10018": 60.0, "10009": 600.0, "170005": 5.0},
)
