"""A fixed-payout broker on the sandbox's prices, with a small protocol of its own."""
