"""What production refuses of the API's settings, and what no setting may be."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from candela.errors import ConfigError

if TYPE_CHECKING:
    from api.state import ApiOptions

__all__ = ["UnsafeSetting", "check_options"]


class UnsafeSetting(ConfigError):
    """A setting of the API cannot be used, or is not safe in production."""

    code = "unsafe_setting"


def check_options(options: ApiOptions, *, stripe_url: str | None = None) -> None:
    """Refuse settings before anything listens.

    Raises
    ------
    UnsafeSetting
        Naming the setting and what to set.
    """
    for one in options.trusted_proxies:
        try:
            network = ipaddress.ip_network(one)
        except ValueError:
            message = f"CANDELA_TRUSTED_PROXIES: {one!r} is no address or network."
            raise UnsafeSetting(message, "Write it like 10.0.0.5 or 10.0.0.0/24.") from None
        if network.prefixlen == 0:
            message = f"CANDELA_TRUSTED_PROXIES: {one} is everybody, who could then lie."
            raise UnsafeSetting(message, "Name the proxies alone.")
    for one in options.allowed_origins:
        _check_origin(one, is_production=options.is_production)
    if not options.is_production:
        return
    if not options.public_url.startswith("https://"):
        raise UnsafeSetting(
            f"CANDELA_PUBLIC_URL is {options.public_url} and CANDELA_ENVIRONMENT is production.",
            "Set it to the https address under which people reach the API.",
        )
    if stripe_url is not None:
        raise UnsafeSetting(
            "CANDELA_STRIPE_URL is set and CANDELA_ENVIRONMENT is production.",
            "Unset it: a sandbox stands in for Stripe.",
        )


def _check_origin(origin: str, *, is_production: bool) -> None:
    parts = urlsplit(origin)
    is_bare = f"{parts.scheme}://{parts.netloc}" == origin and bool(parts.hostname)
    if not is_bare or parts.scheme not in {"http", "https"} or "*" in origin or "@" in origin:
        message = f"CANDELA_ALLOWED_ORIGINS: {origin!r} is no origin."
        raise UnsafeSetting(message, "Write each like https://app.example.com, without a path.")
    if is_production and parts.scheme != "https":
        message = f"CANDELA_ALLOWED_ORIGINS: {origin} is not https and this is production."
        raise UnsafeSetting(message, "Serve the page over https.")
