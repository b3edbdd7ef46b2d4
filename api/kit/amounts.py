"""Amounts as they go over the wire: texts, to the digit, never with an exponent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer

from candela.money import plain

__all__ = ["Amount"]

Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
"""Money, a price or a quantity in an answer; a sum of what is stored keeps every digit."""
