"""What returns are left when the part that holding the market explains is taken away."""

from __future__ import annotations

import numpy as np

from backtest.evidence.samples import BlockSums, Floats

__all__ = ["beyond_market", "blocks_beyond_market"]

# A run that is the market leaves nothing but rounding.
_NOTHING_LEFT = 1e-9


def beyond_market(returns: Floats, held: Floats) -> tuple[Floats, Floats]:
    """Return the returns less what holding the market in the same measure earns, and that measure.

    The measure is the slope of the returns on the market's, one a column. What is left has the
    alpha of that regression as its mean; a column that is the market throughout leaves zeros.

    Parameters
    ----------
    returns
        (bars, trials).
    held
        Returns of holding the market, (bars,).
    """
    centred = held - held.mean()
    spread = float(np.square(centred).sum())
    if spread == 0.0:
        return returns, np.zeros_like(returns[0])
    # Not by the threads of a matrix product: they wait for each other on a busy machine.
    slopes: Floats = np.einsum("i,ij->j", centred, returns) / spread
    left: Floats = returns - held[:, None] * slopes
    nothing = left.std(axis=0) <= _NOTHING_LEFT * np.abs(returns).max(axis=0, initial=0.0)
    left[:, nothing] = 0.0
    return left, slopes


def blocks_beyond_market(blocks: BlockSums, held: Floats) -> Floats:
    """Return the sums (blocks, trials) of the same, its measure found from the blocks alone."""
    starts = np.cumsum(blocks.bars) - blocks.bars
    market = np.add.reduceat(held, starts)
    return beyond_market(blocks.sums, market)[0]
