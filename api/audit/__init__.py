"""What was done to one's own account, by whom."""
