"""The time of a sandbox that stands in for the venues: executors live by the machine's clock."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from candela.errors import ConfigError

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.settings import Settings
    from candela.venues.gateway import VenueGateway

__all__ = ["SandboxOfAnotherTime", "refuse_other_time"]

_LOG: Final = logging.getLogger(__name__)
# Any host that every sandbox stands in for.
_HOST: Final = "api.binance.com"
_WAIT_S: Final = 3.0
# Far more than any venue's clock is off, and than what a rehearsal of skew asks for.
_FAR: Final = timedelta(hours=1)


class SandboxOfAnotherTime(ConfigError):
    """The sandbox does not live by the machine's clock."""

    code = "sandbox_time"


def refuse_other_time(settings: Settings, clock: Clock) -> None:
    """Refuse to trade where a sandbox stands in for the venues at another pace, or another time.

    One that does not answer now is let pass: an executor outlives its venue's outages.

    Raises
    ------
    SandboxOfAnotherTime
        Bars, ages and leases would be of two clocks.
    BadGateway
        The setting cannot be used.
    """
    from candela.venues.gateway import VenueGateway

    if settings.venue_gateway is None:
        return
    gateway = VenueGateway.parse(settings.venue_gateway, settings.venue_gateway_ca)
    try:
        pace, at = _told(gateway)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        _LOG.warning("The venue gateway does not tell its time: %s", type(error).__name__)
        return
    hint = "Executors live by this machine's clock: start it without --speed and --start."
    if pace != 1.0:
        message = f"The sandbox at {settings.venue_gateway} runs at {pace:g} times the pace."
        raise SandboxOfAnotherTime(message, hint)
    if abs(at - clock.now()) > _FAR:
        message = f"At the sandbox at {settings.venue_gateway} it is {at:%Y-%m-%d %H:%M} UTC."
        raise SandboxOfAnotherTime(message, hint)


def _told(gateway: VenueGateway) -> tuple[float, datetime]:
    """Return how much faster than this machine the venue behind a gateway lives, and its time."""
    context = ssl.create_default_context(cafile=str(gateway.certificate_authority))
    connection = http.client.HTTPConnection(_HOST, timeout=_WAIT_S)
    plain = socket.create_connection((gateway.address, gateway.port), _WAIT_S)
    try:
        with context.wrap_socket(plain, server_hostname=_HOST) as connection.sock:
            connection.request("GET", "/api/v3/time")
            answer = connection.getresponse()
            told_ms = int(json.loads(answer.read())["serverTime"])
            # Whoever does not say so is no sandbox of ours, and lives as we do.
            pace = float(answer.headers.get("X-Sandbox-Speed", "1"))
            return pace, datetime.fromtimestamp(told_ms / 1_000, UTC)
    finally:
        plain.close()
        connection.close()
