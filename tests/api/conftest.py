"""The API and people of the tests of this room."""

from __future__ import annotations

from tests.fixtures.api import api, api_clock, masters, person

__all__ = ["api", "api_clock", "masters", "person"]
