"""Fixed-payout mathematics: break-even, ladders and ruin, exact."""
