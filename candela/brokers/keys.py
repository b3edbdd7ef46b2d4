"""The key of an account at a venue: sealed in memory, read when a request is signed."""

from __future__ import annotations

from dataclasses import dataclass

from candela.vault.credential import Credential

__all__ = ["VenueKey"]


@dataclass(frozen=True, slots=True)
class VenueKey:
    """What a venue knows an account by; no text of it shows any part.

    Parameters
    ----------
    passphrase
        The third part that some venues want.
    """

    key: Credential
    secret: Credential
    passphrase: Credential | None = None

    def reveal_key(self) -> str:
        """Return the public half, as the venue named it."""
        return self.key.reveal()

    def reveal_secret(self) -> str:
        """Return the secret half."""
        return self.secret.reveal()

    def reveal_passphrase(self) -> str:
        """Return the third part; empty where there is none."""
        return self.passphrase.reveal() if self.passphrase is not None else ""

    def redacted(self, text: str) -> str:
        """Return a text of the venue without any part of the key in it."""
        parts = (self.reveal_key(), self.reveal_secret(), self.reveal_passphrase())
        for part in parts:
            if part:
                text = text.replace(part, "***")
        return text

    def wipe(self) -> None:
        """Overwrite it."""
        for part in (self.key, self.secret, self.passphrase):
            if part is not None:
                part.wipe()
