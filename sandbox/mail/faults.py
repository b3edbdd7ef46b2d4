"""What the mail server can do wrong, and what it took."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

__all__ = ["KINDS", "Fault", "Received", "read_message"]

KINDS: Final = {
    "later": "answers 451 to the address, as a server does that lets strangers wait",
    "refuse": "answers 550 to the address",
    "busy": "answers 421 to whoever connects",
    "drop": "takes the text and ends the connection without an answer",
    "lose": "ends the connection before the text is sent",
    "slow": "waits before it answers to the text, see seconds",
}
_LINK: Final = re.compile(r"https?://\S+")


@dataclass(slots=True)
class Fault:
    """Something that goes wrong so often; times None is always."""

    kind: str
    times: int | None = 1
    seconds: float = 1.0

    def takes(self, kind: str) -> bool:
        """Return whether it happens now, and count it."""
        if self.kind != kind or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Received:
    """A mail that was taken.

    Parameters
    ----------
    links
        Addresses in its text, tokens and all: this is a rehearsal.
    """

    number: int
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    links: list[str] = field(default_factory=list[str])

    def shown(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return {
            "number": self.number,
            "from": self.sender,
            "to": list(self.to),
            "subject": self.subject,
            "text": self.text,
            "links": self.links,
            "headers": self.headers,
        }


def read_message(number: int, sender: str, to: tuple[str, ...], content: bytes) -> Received:
    """Return what a server was given."""
    message = message_from_bytes(content, policy=default)
    text, html = (_part(message, kind) for kind in ("plain", "html"))
    headers = {name: str(value) for name, value in message.items()}
    found = list(dict.fromkeys(_LINK.findall(text)))
    subject = str(message["Subject"] or "")
    return Received(number, sender, to, subject, text, html, headers, found)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")
