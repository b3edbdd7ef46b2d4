"""A small client of the control interface."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from candela.errors import BrokerUnavailable, DataError

__all__ = ["Remote", "SandboxRefused", "SandboxUnreachable"]

_TIMEOUT_S: Final = 20.0
_GOOD: Final = 200


class SandboxUnreachable(BrokerUnavailable):
    """Nothing answers where the sandbox should."""

    code = "sandbox_unreachable"


class SandboxRefused(DataError):
    """The sandbox refused what it was asked for."""

    code = "sandbox_refused"


class Remote:
    """Ask a running sandbox.

    Parameters
    ----------
    url
        Address of its control interface.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._url = parts.hostname or "", parts.port or 0, url

    def ask(self, method: str, path: str, content: object = None) -> dict[str, Any]:
        """Send one request, such as POST to ``faults``, and return its answer.

        Raises
        ------
        SandboxUnreachable
            Nothing answers.
        SandboxRefused
            In the sandbox's own words.
        """
        link = HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            link.request(method, f"/control/{path}", json.dumps(content or {}))
            reply = link.getresponse()
            told: dict[str, Any] = json.loads(reply.read())
        except (OSError, HTTPException, ValueError) as error:
            message = f"The sandbox at {self._url} does not answer: {error}."
            raise SandboxUnreachable(message, "Does `candela sandbox` still run?") from None
        finally:
            link.close()
        if reply.status != _GOOD:
            fault: dict[str, Any] = told.get("error", {})
            words = str(fault.get("message") or fault.get("msg") or told)
            raise SandboxRefused(words, fault.get("hint"))
        return told
