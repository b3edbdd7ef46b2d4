"""A secret in memory: shown by nothing, revealed by one call, wiped when it is done with."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NoReturn, Self

from candela.errors import VaultError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Credential", "CredentialWiped", "last_four"]

_MASK: Final = "***"
_LONG_ENOUGH: Final = 16


class CredentialWiped(VaultError):
    """The secret has left memory, or was asked to leave it."""

    code = "credential_wiped"


class Credential:
    """Hold a secret so that no text, copy or pickle of the object has it.

    Use it as a context manager, or call `wipe`: its bytes are then overwritten. What `reveal`
    returned is the caller's and lives until Python frees it; take it late and keep it short.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str | bytes | bytearray) -> None:
        self._secret: bytearray | None = bytearray(
            secret.encode() if isinstance(secret, str) else secret
        )

    @classmethod
    def taking(cls, secret: bytearray) -> Self:
        """Return a credential that owns these very bytes and will overwrite them."""
        made = cls(b"")
        made._secret = secret
        return made

    def reveal(self) -> str:
        """Return the secret as text.

        Raises
        ------
        CredentialWiped
            It is no longer here.
        VaultError
            It is no text; see `reveal_bytes`.
        """
        text = _decoded(self.reveal_bytes())
        if text is None:
            raise VaultError("The credential is not text.", "Enter it again.")
        return text

    def reveal_bytes(self) -> bytearray:
        """Return the bytes themselves, not a copy: they turn to zeros when wiped.

        Raises
        ------
        CredentialWiped
            It is no longer here.
        """
        if self._secret is None:
            raise CredentialWiped("The credential was wiped.", "Open it again from its row.")
        return self._secret

    def wipe(self) -> None:
        """Overwrite the secret; a second time does nothing."""
        if self._secret is not None:
            self._secret[:] = bytes(len(self._secret))
            self._secret = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wipe()

    def __del__(self) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, form: str, /) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credential):
            return NotImplemented
        return hmac.compare_digest(self.reveal_bytes(), other.reveal_bytes())

    __hash__ = None  # pyright: ignore[reportAssignmentType] - a hash would outlive the secret

    def __copy__(self) -> NoReturn:
        self._refuse("copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self._refuse("copied")

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        self._refuse("pickled")

    def _refuse(self, what: str) -> NoReturn:
        message = f"A credential is not {what}: its copies could not be wiped."
        raise VaultError(message, "Hand the credential itself on, or open its row again.")


def _decoded(secret: bytearray) -> str | None:
    # Not an error: it would carry the secret, and so would the variables of the frame it left.
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return None


def last_four(secret: Credential) -> str:
    """Return the end of a secret by which its owner knows it; nothing of a short one."""
    text = secret.reveal()
    return text[-4:] if len(text) >= _LONG_ENOUGH else ""
