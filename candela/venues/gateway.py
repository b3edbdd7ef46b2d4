"""How a venue's hosts are reached: directly, or all through one loopback gateway."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candela.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["BadGateway", "VenueGateway", "connector"]

_LAST_PORT: Final = 65_535


class BadGateway(ConfigError):
    """The gateway setting cannot be used."""

    code = "bad_gateway"


@dataclass(frozen=True, slots=True)
class VenueGateway:
    """A server on this machine that stands in for every exchange host.

    Real URLs, real TLS and the real host names are kept, so that ccxt behaves as it does against
    the exchange itself; only the address behind a host name changes. No other host can be reached
    through a connector that has a gateway.

    Parameters
    ----------
    address
        A loopback IP address: candles of a stand-in must never come from somewhere else.
    certificate_authority
        PEM file of the authority that signed the gateway's certificates; trusted instead of the
        public ones, not beside them.
    """

    address: str
    port: int
    certificate_authority: Path

    @classmethod
    def parse(cls, text: str, certificate_authority: Path | None) -> VenueGateway:
        """Read ``host:port`` as it stands in the settings.

        Raises
        ------
        BadGateway
            Not a loopback address and port, or no readable authority file.
        """
        host, _, port = text.strip().rpartition(":")
        host = host.strip("[]")
        if host == "localhost":
            host = "127.0.0.1"
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            message = f"The venue gateway {text!r} is not a loopback address with a port."
            raise BadGateway(message, "Write it as in 127.0.0.1:8443, or leave it unset.")
        if certificate_authority is None or not certificate_authority.is_file():
            message = f"The venue gateway's authority file {certificate_authority} does not exist."
            raise BadGateway(message, "Set CANDELA_VENUE_GATEWAY_CA to the gateway's PEM file.")
        return cls(host, int(port), certificate_authority)


def connector(gateway: VenueGateway | None, limit: int = 100) -> aiohttp.TCPConnector:
    """Return a connection pool for one event loop; call it inside that loop.

    Parameters
    ----------
    limit
        Of connections at once, where streams count as well; 0 for none.
    """
    import aiohttp
    import certifi

    if gateway is None:
        # ccxt trusts the same list; the system's may be years old.
        context = ssl.create_default_context(cafile=certifi.where())
        return aiohttp.TCPConnector(
            ssl=context, family=socket.AF_UNSPEC, happy_eyeballs_delay=0, limit=limit
        )
    context = ssl.create_default_context(cafile=str(gateway.certificate_authority))
    return aiohttp.TCPConnector(
        ssl=context, resolver=_one_address(gateway), use_dns_cache=False, limit=limit
    )


def _one_address(gateway: VenueGateway) -> AbstractResolver:
    from aiohttp.abc import AbstractResolver

    class OneAddress(AbstractResolver):
        """Answer every name with the gateway's address and port."""

        async def resolve(
            self,
            host: str,
            port: int = 0,  # noqa: ARG002 - the gateway's counts
            family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002
        ) -> list[ResolveResult]:
            is_ipv6 = ":" in gateway.address
            return [
                {
                    "hostname": host,
                    "host": gateway.address,
                    "port": gateway.port,
                    "family": socket.AF_INET6 if is_ipv6 else socket.AF_INET,
                    "proto": 0,
                    "flags": socket.AI_NUMERICHOST,
                }
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return OneAddress()
