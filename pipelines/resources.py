"""What the pipelines work with: the only module of this room that reads the settings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from candela.clock import SystemClock
from candela.commands.keyring import gateway_of
from candela.db.connect import Role
from candela.embedded import open_places
from candela.settings import Settings, environment_with, load_settings
from pipelines.lib.presence import present

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    import psycopg

    from candela.billing.gateway import Gateway
    from candela.clock import Clock
    from candela.db.connect import Database
    from candela.embedded import Places
    from candela.venues.client import VenueClient

__all__ = [
    "Platform",
    "Settings",
    "environment_with",
    "open_platform",
    "platform_resource",
]


def _no_progress(what: str, share: float, rows: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Platform:
    """Database, venues and clock of one installation.

    Parameters
    ----------
    strategies
        Folder of own strategies, for requested backtests.
    billing
        The way to Stripe; None: plans cannot be bought.
    progress
        Told on the way how far a step is: what, share 0..1, rows.
    """

    database: Database
    redis_url: str = field(repr=False)
    clock: Clock = field(default_factory=SystemClock)
    venue_timeout_s: float = 20.0
    venue_share_ratio: float = 0.5
    venue_gateway: str | None = None
    venue_gateway_ca: Path | None = None
    strategies: Path | None = None
    billing: Gateway | None = field(default=None, repr=False)
    progress: Callable[[str, float, int], None] = _no_progress

    @contextmanager
    def writer(self) -> Generator[psycopg.Connection]:
        """Yield a connection that may write market data, in autocommit mode."""
        with self.database.connect(Role.PIPELINES, autocommit=True) as connection:
            yield connection

    def venue(self, venue: str, should_stop: Callable[[], bool] = lambda: False) -> VenueClient:
        """Return a client of an exchange, whose requests count in the venue's shared budget."""
        # ccxt is large: a run that reads files does without it.
        from candela.venues.opening import open_venue

        return open_venue(
            venue,
            redis_url=self.redis_url,
            clock=self.clock,
            timeout_s=self.venue_timeout_s,
            share=self.venue_share_ratio,
            gateway=self.venue_gateway,
            gateway_ca=self.venue_gateway_ca,
            should_stop=should_stop,
        )


def open_platform(opened: tuple[Settings, Places] | None = None) -> Platform:
    """Return what the settings name; the embedded servers are started where they are needed."""
    settings, places = opened or _open()
    return Platform(
        database=places.database,
        redis_url=places.redis_url,
        venue_timeout_s=settings.venue_timeout_s,
        venue_share_ratio=settings.venue_share_ratio,
        venue_gateway=settings.venue_gateway,
        venue_gateway_ca=settings.venue_gateway_ca,
        strategies=settings.strategies_dir,
        billing=gateway_of(settings),
    )


def _open() -> tuple[Settings, Places]:
    settings = load_settings()
    return settings, open_places(settings)


def platform_resource(
    open_it: Callable[[], Platform] = open_platform,
) -> dg.ResourceDefinition:
    """Return the resource ``platform``; a run that holds it is known to be alive (see presence)."""

    def start(context: dg.InitResourceContext) -> Iterator[Platform]:
        platform = open_it()
        # Sensors and schedules have no run.
        if context.run is None or context.instance is None:
            yield platform
            return
        with present(platform.database, context.instance, context.run.run_id):
            yield platform

    return dg.ResourceDefinition(
        resource_fn=start, description="Database, venues and clock of this installation."
    )
