"""The tenant of the tests of this room."""

from __future__ import annotations

from tests.fixtures.desk import clock, desk

__all__ = ["clock", "desk"]
