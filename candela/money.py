"""Decimal arithmetic of orders: grids of price and quantity, and what a number becomes as text."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

__all__ = ["EXACT", "ZERO", "ceiled", "decimal_of", "floored", "plain", "quotient"]

ZERO = Decimal(0)
# numeric(38,18) of the database holds 20 digits before the point; products of two such numbers
# must not be rounded before they are stored.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SCALE = Decimal("1e-18")


def floored(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of a step that is not above the value; a step of 0 is no grid."""
    return _on_grid(value, step, ROUND_FLOOR)


def ceiled(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of a step that is not below the value."""
    return _on_grid(value, step, ROUND_CEILING)


def decimal_of(value: float) -> Decimal:
    """Return the shortest decimal that is this double: 0.1 becomes 0.1, not 0.1000000000000000055.

    For what comes from market arrays; amounts of a venue are texts and never pass through a float.
    """
    return Decimal(repr(float(value)))


def quotient(value: Decimal, divisor: Decimal) -> Decimal:
    """Divide, to the 18 places that the database keeps."""
    return EXACT.divide(value, divisor).quantize(_SCALE, context=EXACT)


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at the end, as venues take it."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _on_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        return value
    steps = EXACT.divide(value, step).to_integral_value(rounding=rounding)
    return EXACT.multiply(steps, step)
