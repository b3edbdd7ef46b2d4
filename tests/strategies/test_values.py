"""Parameters given as text become typed ones, or an error that names them."""

from __future__ import annotations

import pytest

from strategies.definition import BadParameters
from strategies.registry import find, shipped
from strategies.values import read_values


def test_values_when_given_as_text_then_typed_by_the_schema() -> None:
    read = read_values(find("ma_cross"), ["fast=5", " slow = 50 ", "kind=exponential", "short=yes"])
    assert read.model_dump() == {"fast": 5, "slow": 50, "kind": "exponential", "short": True}


def test_values_when_none_given_then_defaults() -> None:
    for one in shipped():
        assert read_values(one, []) == one.with_values()


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["fast"], "'fast' gives no parameter a value"),
        (["=5"], "'=5' gives no parameter"),
        (["fats=5"], "Did you mean fast?"),
        (["colour=red"], "It takes fast, slow, kind, short"),
        (["fast=5", "fast=6"], "given twice, as '5' and as '6'"),
        (["fast=many"], "fast='many'"),
        (["fast=2.5"], "fast='2.5'"),
        (["fast=0"], "fast='0'"),
        (["fast=100"], "fast=100 is not below slow=100"),
        (["kind=[1,"], "kind='\\[1,'"),
        (["kind=[1]"], "kind=\\[1\\]"),
    ],
)
def test_values_when_wrong_then_error_names_them(pairs: list[str], said: str) -> None:
    with pytest.raises(BadParameters, match=said):
        read_values(find("ma_cross"), pairs)
