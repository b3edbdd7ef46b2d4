"""The names under which the venue answers, and the throw-away authority that vouches for them."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Final

import trustme

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HOSTS", "authority_file", "server_context"]

HOSTS: Final = (
    "api.binance.com",
    "api1.binance.com",
    "api2.binance.com",
    "api3.binance.com",
    "api4.binance.com",
    "fapi.binance.com",
    "dapi.binance.com",
    "eapi.binance.com",
    "data-api.binance.vision",
    "stream.binance.com",
    "data-stream.binance.vision",
    "ws-api.binance.com",
    "testnet.binance.vision",
    "stream.testnet.binance.vision",
    "ws-api.testnet.binance.vision",
    "demo-api.binance.com",
    "demo-stream.binance.com",
    "demo-ws-api.binance.com",
)
_PRIVATE: Final = 0o600


def authority_file(folder: Path) -> Path:
    """Return where the authority's public certificate lies in a folder."""
    return folder / "authority.pem"


def server_context(folder: Path) -> ssl.SSLContext:
    """Return a TLS context for all hosts, signed by the authority of a folder.

    The authority is made at the first call and kept, so that clients that trust it trust the venue
    again after it was killed. Its key is readable by its owner only; it vouches for nothing but
    loopback.
    """
    folder.mkdir(parents=True, exist_ok=True)
    public, private = authority_file(folder), folder / "authority.key"
    if public.exists() and private.exists():
        authority = trustme.CA.from_pem(public.read_bytes(), private.read_bytes())
    else:
        authority = trustme.CA()
        handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(handle, "wb") as file:
            file.write(authority.private_key_pem.bytes())
        authority.cert_pem.write_to_path(str(public))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context
