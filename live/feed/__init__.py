"""The feed: closed bars and quotes of each venue, read once for everybody."""

from __future__ import annotations
