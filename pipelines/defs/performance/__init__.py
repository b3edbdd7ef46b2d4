"""Performance: figures of bots, accounts and users by period, and the summary of each day."""
