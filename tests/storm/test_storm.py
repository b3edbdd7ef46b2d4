"""A short storm of real processes: eight harms, and books that agree with the venue."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.storm.running import Storm, run_storm


@pytest.mark.slow
def test_storm_when_processes_are_killed_then_books_and_venue_agree() -> None:
    said: list[str] = []
    # Sockets are made in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="storm-", dir="/tmp", ignore_cleanup_errors=True) as at:
        storm = Storm(
            folder=Path(at),
            kills=8,
            executors=2,
            users=3,
            bots=6,
            fault_rate=0.1,
            rate_hz=3.0,
            pause_s=2.0,
            quiet_s=5.0,
            seed=4,
            # A lease that runs out while its owner is stopped takes longer than a test should.
            kinds=("KILL", "TERM", "venue", "redis", "database"),
        )
        result = run_storm(storm, said.append)
    assert result.broken == []
    assert sum(result.harms.values()) == storm.kills
    assert result.counts["orders"] > 0
    assert result.counts["unknown"] == 0
