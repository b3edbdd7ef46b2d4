"""Figures of bots and users, by day, week and month."""
