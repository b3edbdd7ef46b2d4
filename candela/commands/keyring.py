"""The platform's own keys: what wraps those of the tenants, and what signs access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import SecretStr

    from candela.billing.gateway import Gateway
    from candela.identity.access import SigningKeys
    from candela.settings import Settings
    from candela.vault.masterkeys import MasterKeys

__all__ = ["KEY_FILE", "TOKEN_KEY_FILE", "gateway_of", "master_keys", "signing_keys"]

KEY_FILE: Final = "master-keys"
TOKEN_KEY_FILE: Final = "token-keys"  # noqa: S105 - the name of a file


def master_keys(settings: Settings) -> MasterKeys:
    """Return the keys that wrap those of the tenants; on a laptop a file, made on first use.

    Raises
    ------
    VaultError
        They cannot be used, or production has none of its own.
    """
    return _keys(settings, settings.master_keys, KEY_FILE)


def signing_keys(settings: Settings) -> SigningKeys:
    """Return the keys that sign access tokens; on a laptop a file, made on first use.

    Raises
    ------
    VaultError
        They cannot be used, or production has none of its own.
    """
    from candela.identity.access import SigningKeys

    keys = _keys(settings, settings.token_keys, TOKEN_KEY_FILE)
    return SigningKeys(
        {version: bytes(keys.key(version).reveal_bytes()) for version in keys.versions}
    )


def gateway_of(settings: Settings) -> Gateway | None:
    """Return the way to Stripe; None: no key of it is set.

    Raises
    ------
    BillingMisconfigured
        The address in place of Stripe is not of this machine.
    """
    if settings.stripe_key is None:
        return None
    from candela.billing.gateway import Gateway
    from candela.vault.credential import Credential

    secret = settings.stripe_webhook_secret
    return Gateway(
        Credential(settings.stripe_key.get_secret_value()),
        None if secret is None else Credential(secret.get_secret_value()),
        settings.stripe_url,
    )


def _keys(settings: Settings, text: SecretStr | None, name: str) -> MasterKeys:
    from candela.vault.keyfile import master_keys_from_file
    from candela.vault.masterkeys import master_keys_from_text

    if text is not None:
        return master_keys_from_text(text)
    is_laptop = settings.environment == "development"
    path = settings.state_dir / name
    return master_keys_from_file(path, create=is_laptop, allow_generated=is_laptop)
