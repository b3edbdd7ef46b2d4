"""Bets on fixed payouts at work: placed once, found again, settled by the broker's statement."""
