"""What was done, by whom, to whose account: entries that only grow, chained by hash."""
