"""The state file: where the running sandbox is and with which key, for the owner's eyes only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from candela.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NoSandbox", "Running", "read_state", "remove_state", "write_state"]

_NAME: Final = "sandbox.json"
_PRIVATE: Final = 0o600


class NoSandbox(NotFound):
    """No sandbox runs."""

    code = "no_sandbox"


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that runs.

    Parameters
    ----------
    gateway, authority
        Values of CANDELA_VENUE_GATEWAY and CANDELA_VENUE_GATEWAY_CA.
    payout_login
        Key and secret of a customer of the fixed-payout broker, where one runs.
    smtp_url, mail_url
        Value of CANDELA_SMTP_URL; the page that shows what came.
    stripe_url, stripe_key, stripe_webhook_secret
        Values of the settings of these names.
    """

    gateway: str
    authority: str
    control_url: str
    key: str
    secret: str = field(repr=False)
    account: str
    symbols: list[str]
    speed: float
    pid: int
    payout_url: str | None = None
    payout_login: tuple[str, str] | None = field(default=None, repr=False)
    smtp_url: str | None = None
    mail_url: str | None = None
    stripe_url: str | None = None
    stripe_key: str | None = field(default=None, repr=False)
    stripe_webhook_secret: str | None = field(default=None, repr=False)


def write_state(folder: Path, running: Running) -> Path:
    """Write the file, whole or not at all; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / _NAME, folder / f"{_NAME}.{running.pid}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=2)
    draft.replace(path)
    return path


def read_state(folder: Path) -> Running:
    """Read what the running sandbox wrote.

    Raises
    ------
    NoSandbox
        There is no file, or what wrote it runs no more.
    """
    path = folder / _NAME
    hint = "Start one in another terminal: candela sandbox."
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        running = Running(**content)
    except FileNotFoundError:
        raise NoSandbox(f"No sandbox runs: there is no {path}.", hint) from None
    except (ValueError, TypeError) as error:
        raise NoSandbox(f"{path} is no state of a sandbox: {error}.", hint) from None
    if not _lives(running.pid):
        raise NoSandbox(f"The sandbox of {path} runs no more.", hint)
    return running


def remove_state(folder: Path, pid: int) -> None:
    """Remove the file, if that process wrote it."""
    try:
        if read_state(folder).pid == pid:
            (folder / _NAME).unlink(missing_ok=True)
    except NoSandbox:
        return


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
