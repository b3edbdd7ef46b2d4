"""A person of the journey over the API: what they send by HTTP, and what they wait for."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from websockets.sync.client import connect

from sandbox.mail.looking import mails_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx2

    from sandbox.statefile import Running

__all__ = ["Newcomer", "until"]

_PATIENCE_S: Final = 90.0
_LOOK_S: Final = 0.1
Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str) -> Found:
    """Look again and again until something is found, and return it."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {_PATIENCE_S:.0f} s for {what}"
        time.sleep(_LOOK_S)
    return found


@dataclass
class Newcomer:
    """Somebody with an address and a password, and the token that they were given."""

    address: str
    """Of the API, such as http://127.0.0.1:8000."""
    email: str
    password: str
    client: httpx2.Client
    token: str = field(default="", repr=False)

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, status: int = 200
    ) -> dict[str, Any]:
        """Call a path below /api/v1, or any with a slash twice; it answers with the status."""
        below = "" if path.startswith("//") else "/api/v1"
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if method == "POST":
            headers["idempotency-key"] = str(uuid4())
        answer = self.client.request(
            method, f"{self.address}{below}{path.replace('//', '/')}", json=body, headers=headers
        )
        assert answer.status_code == status, (method, path, answer.text)
        return answer.json() if answer.content else {}

    def get(self, path: str, *, status: int = 200) -> dict[str, Any]:
        return self.ask("GET", path, status=status)

    def post(self, path: str, body: dict[str, Any] | None = None, *, status: int) -> dict[str, Any]:
        return self.ask("POST", path, body or {}, status=status)

    def raw(self, path: str) -> bytes:
        """Return the bytes of what a path below /api/v1 gives."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = self.client.get(f"{self.address}/api/v1{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    def log_in(self) -> None:
        credentials = {"email": self.email, "password": self.password}
        self.token = self.post("/auth/login", credentials, status=200)["access_token"]

    def lines(self, bot_id: str) -> Generator[dict[str, Any]]:
        """Follow the log of a bot over a WebSocket; heartbeats are left out."""
        ticket = self.post("/events/tickets", status=201)["ticket"]
        url = f"{self.address}/api/v1/bots/{bot_id}/logs/stream?ticket={ticket}"
        with connect(url.replace("http", "ws", 1)) as socket:
            yield {"type": "open"}
            while True:
                line: dict[str, Any] = json.loads(socket.recv(timeout=_PATIENCE_S))
                if line["type"] == "log":
                    yield line

    def mail(self, running: Running, subject: str) -> str:
        """Wait for a mail of a subject; return its text."""

        def look() -> list[str]:
            mails = mails_at(running.mail_url or "", self.email)
            return [one["text"] for one in mails if one["subject"] == subject]

        return until(look, f"a mail {subject!r}")[0]

    def press(self, page: str, action: str) -> None:
        """Open a page of Stripe's stand-in and press a button that it shows."""
        shown = self.client.get(page)
        assert f'value="{action}"' in shown.text, shown.text
        assert self.client.post(page, data={"action": action}).status_code == 303
