"""Paths of the source documents that are other names of today's: old method and path, and new."""

from __future__ import annotations

from typing import Final

__all__ = ["ALIASES"]

_V1: Final = "/api/v1"
ALIASES: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("POST", f"{_V1}/auth/forgot-password", "POST", "/auth/password/forgot"),
    ("POST", f"{_V1}/auth/verify-email", "POST", "/auth/email/verify"),
    ("PUT", f"{_V1}/users/me", "PATCH", "/users/me"),
    ("POST", f"{_V1}/keys/test", "POST", "/keys/{key_id}/test"),
    ("POST", f"{_V1}/billing/subscribe", "POST", "/billing/checkout"),
    ("POST", f"{_V1}/billing/webhook/stripe", "POST", "/webhooks/stripe"),
    ("POST", "/api/auth/register", "POST", "/auth/register"),
    ("GET", "/api/bots/", "GET", "/bots"),
    ("POST", "/api/bots/", "POST", "/bots"),
    ("POST", "/api/bots/{bot_id}/start", "POST", "/bots/{bot_id}/start"),
    ("GET", "/api/trades/", "GET", "/trades"),
    ("POST", "/api/payments/checkout", "POST", "/billing/checkout"),
    ("POST", "/api/v2/user/account", "POST", "/accounts"),
    ("POST", "/api/v2/user/disconnect", "DELETE", "/accounts/{account_id}/connection"),
    ("POST", "/api/v2/user/trade", "POST", "/orders"),
    ("POST", "/api/iq/trade", "POST", "/orders"),
    ("GET", "/api/v2/candles", "GET", "/market/candles"),
    ("GET", "/api/iq/candles", "GET", "/market/candles"),
    ("GET", "/api/v2/symbols", "GET", "/market/symbols"),
    ("GET", "/api/iq/symbols", "GET", "/market/symbols"),
)
"""An id that the new path holds and the old one lacks is asked for as a query parameter."""
