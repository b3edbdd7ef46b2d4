"""Asking a running mail server what came."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from sandbox.remote import SandboxUnreachable

__all__ = ["mails_at", "told"]

_TIMEOUT_S: Final = 20.0


def mails_at(url: str, to: str | None = None) -> list[dict[str, Any]]:
    """Return the mails that came, oldest first.

    Raises
    ------
    SandboxUnreachable
        Nothing answers there.
    """
    parts = urlsplit(url)
    query = "" if to is None else f"?{urlencode({'to': to})}"
    connection = HTTPConnection(parts.hostname or "", parts.port or 0, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/mails{query}")
        content: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError):
        message = f"No mail server answers at {url or 'any address'}."
        raise SandboxUnreachable(message, "Start one: candela sandbox.") from None
    finally:
        connection.close()
    return content["mails"]


def told(mails: list[dict[str, Any]]) -> str:
    """Return mails as a person reads them."""
    parts = [
        f"{one['number']}. to {', '.join(one['to'])}: {one['subject']}\n\n{one['text'].strip()}"
        for one in mails
    ]
    return "\n\n".join(parts) or "No mail yet."
