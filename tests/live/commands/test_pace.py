"""Executors start against a sandbox that lives by the machine's clock, and against no other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from candela.clock import SystemClock
from candela.settings import Settings
from live.commands.pace import SandboxOfAnotherTime, refuse_other_time
from sandbox.venue import SandboxVenue

if TYPE_CHECKING:
    from pathlib import Path


def settings_for(venue: SandboxVenue, folder: Path) -> Settings:
    gateway = venue.gateway
    return Settings(
        state_dir=folder,
        venue_gateway=f"{gateway.address}:{gateway.port}",
        venue_gateway_ca=gateway.certificate_authority,
    )


def test_start_when_the_sandbox_is_of_this_time_then_nothing_is_said(tmp_path: Path) -> None:
    with SandboxVenue() as venue:
        refuse_other_time(settings_for(venue, tmp_path), SystemClock())


def test_start_when_the_sandbox_runs_faster_then_it_is_refused(tmp_path: Path) -> None:
    with (
        SandboxVenue(speed=60.0, start=datetime.now(UTC)) as venue,
        pytest.raises(SandboxOfAnotherTime, match="runs at 60 times the pace") as refused,
    ):
        refuse_other_time(settings_for(venue, tmp_path), SystemClock())
    assert "--speed" in str(refused.value.hint)


def test_start_when_the_sandbox_is_at_another_time_then_it_is_refused(tmp_path: Path) -> None:
    start = datetime(2022, 12, 13, 13, 20, tzinfo=UTC)
    with (
        SandboxVenue(start=start) as venue,
        pytest.raises(SandboxOfAnotherTime, match="it is 2022-12-13 13:2"),
    ):
        refuse_other_time(settings_for(venue, tmp_path), SystemClock())


def test_start_when_the_sandbox_does_not_answer_then_it_is_let_pass(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SandboxVenue() as venue:
        settings = settings_for(venue, tmp_path)
        kept = tmp_path / "authority.pem"
        kept.write_bytes(venue.gateway.certificate_authority.read_bytes())
    gone = settings.model_copy(update={"venue_gateway_ca": kept})
    refuse_other_time(gone, SystemClock())
    assert "does not tell its time" in caplog.text


def test_start_when_no_sandbox_stands_in_then_nobody_is_asked(tmp_path: Path) -> None:
    refuse_other_time(Settings(state_dir=tmp_path), SystemClock())
