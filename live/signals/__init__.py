"""Signals once: each distinct definition is evaluated once a bar, for all bots that follow it."""

from __future__ import annotations
