# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Vector instructions for compiled loops: 64 comparisons of two arrays as the bits of a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from candela.compiled import intrinsic, types

__all__ = ["compare_64", "lowest_bit", "outside_64"]

Floats = npt.NDArray[np.float64]

_LANES = 8  # doubles compared at once; narrower machines split the vector themselves


def _compare_64(_: Any, first: Any, second: Any, row: Any) -> Any:
    """Write two words: bit k says first[row+k] > second[row+k], and <; NaN sets neither."""
    from llvmlite import ir

    signature = types().UniTuple(types().uint64, 2)(first, second, row)
    wide = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first_type, second_type, _ = signature.args
        left = context.make_array(first_type)(context, builder, given[0]).data
        right = context.make_array(second_type)(context, builder, given[1]).data
        vector = ir.VectorType(ir.DoubleType(), _LANES)
        above = below = ir.Constant(wide, 0)
        for offset in range(0, 64, _LANES):
            place = builder.add(given[2], ir.Constant(wide, offset))
            lanes: list[Any] = []
            for data in (left, right):
                pointer = builder.bitcast(builder.gep(data, [place]), vector.as_pointer())
                loaded = builder.load(pointer)
                loaded.align = 8  # rows start anywhere
                lanes.append(loaded)
            shift = ir.Constant(wide, offset)
            for sign in (">", "<"):
                byte = builder.bitcast(
                    builder.fcmp_ordered(sign, lanes[0], lanes[1]), ir.IntType(_LANES)
                )
                word = builder.shl(builder.zext(byte, wide), shift)
                if sign == ">":
                    above = builder.or_(above, word)
                else:
                    below = builder.or_(below, word)
        return context.make_tuple(builder, signature.return_type, [above, below])

    return signature, generate


def _outside_64(_: Any, lows: Any, highs: Any, row: Any, floor: Any, ceiling: Any) -> Any:
    """Write a word: bit k says lows[row+k] <= floor or highs[row+k] >= ceiling."""
    from llvmlite import ir

    signature = types().uint64(lows, highs, row, floor, ceiling)
    wide = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = ir.VectorType(ir.DoubleType(), _LANES)
        index = ir.IntType(32)
        limits: list[Any] = []
        for limit in given[3:]:
            first = builder.insert_element(
                ir.Constant(vector, ir.Undefined), limit, ir.Constant(index, 0)
            )
            spread = ir.Constant(ir.VectorType(index, _LANES), [0] * _LANES)
            limits.append(builder.shuffle_vector(first, first, spread))
        found = ir.Constant(wide, 0)
        for offset in range(0, 64, _LANES):
            place = builder.add(given[2], ir.Constant(wide, offset))
            for array, sign, limit in ((0, "<=", limits[0]), (1, ">=", limits[1])):
                data = context.make_array(signature.args[array])(context, builder, given[array])
                pointer = builder.bitcast(builder.gep(data.data, [place]), vector.as_pointer())
                loaded = builder.load(pointer)
                loaded.align = 8  # rows start anywhere
                byte = builder.bitcast(
                    builder.fcmp_ordered(sign, loaded, limit), ir.IntType(_LANES)
                )
                word = builder.shl(builder.zext(byte, wide), ir.Constant(wide, offset))
                found = builder.or_(found, word)
        return found

    return signature, generate


def _lowest_bit(_: Any, word: Any) -> Any:  # noqa: ARG001 - numba asks for its type by position
    """Write the place of the lowest set bit of a word."""
    from llvmlite import ir

    signature = types().int64(types().uint64)

    def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 1))

    return signature, generate


compare_64 = cast("Callable[[Floats, Floats, int], tuple[Any, Any]]", intrinsic(_compare_64))
"""Return two words for rows [row, row+64): where the first array is above the second, and below.

The caller warrants that the rows lie inside both C-contiguous float64 arrays. NaN sets no bit.
"""

outside_64 = cast("Callable[[Floats, Floats, int, float, float], Any]", intrinsic(_outside_64))
"""Return a word for rows [row, row+64): where a low is at the floor or below, or a high at the
ceiling or above. The caller warrants that the rows lie inside both arrays.
"""

lowest_bit = cast("Callable[[Any], int]", intrinsic(_lowest_bit))
"""Return the place of the lowest set bit of a word that is not 0."""
