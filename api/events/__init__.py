"""Tickets, and WebSockets of what happens."""
