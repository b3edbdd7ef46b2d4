"""Proving who one is: registration, login, refresh, second factor, links sent by mail."""
