"""What happened, told to everybody: outbox rows in PostgreSQL, carried by Redis Streams."""

from __future__ import annotations
