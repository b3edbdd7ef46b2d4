"""The loopback exchange for the tests of this room."""

from __future__ import annotations

from tests.fixtures.exchange.plugin import exchange, venue_client

__all__ = ["exchange", "venue_client"]
