"""Accounts at venues and on paper, with their balances."""
