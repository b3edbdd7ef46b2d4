"""What holds for every test: real servers, no network beyond this machine, a clean environment."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["tests.fixtures.servers", "tests.fixtures.command_line"]


class NetworkForbidden(RuntimeError):
    """A test tried to reach another machine."""


def _is_here(host: object) -> bool:
    if host in {"", "localhost", None}:
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1]
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
            raise NetworkForbidden(f"tests reach no other machine, this one wants {address}")
        return real(self, *arguments)

    return call


def _guarded_lookup(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(host: object, *arguments: Any, **options: Any) -> Any:
        if not _is_here(host):
            raise NetworkForbidden(f"tests look up no other machine, this one wants {host!r}")
        return real(host, *arguments, **options)

    return call


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let tests see the defaults, not what the developer has set for daily use."""
    for name in list(os.environ):
        if name.startswith("CANDELA_") and name != "CANDELA_TEST_DATABASE_URL":
            monkeypatch.delenv(name)
