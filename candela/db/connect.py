"""Connections to one database, each with the rights of one role only."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from candela.errors import ConfigError

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

__all__ = ["Database", "DatabaseRefused", "DatabaseUnreachable", "Role"]

_CONNECT_TIMEOUT_S = 10
_RECOVERY_WAIT_S = 30.0
_RECOVERY_PAUSE_S = 0.1


class Role(StrEnum):
    """The roles of every Candela database."""

    OWNER = "candela_owner"
    APP = "candela_app"
    EXECUTOR = "candela_executor"
    PIPELINES = "candela_pipelines"
    ANALYST = "candela_analyst"
    DOOR = "candela_door"
    SUPPORT = "candela_support"


class DatabaseUnreachable(ConfigError):
    """No server answers at the address."""

    status = 503
    code = "database_unreachable"
    retryable = True


class DatabaseRefused(ConfigError):
    """The server answers, and refuses the login, the role or the database."""

    code = "database_refused"


# UTC, so that no session depends on the server's zone. Time limits: a lock that is not had
# soon is somebody's migration; a transaction left open holds back vacuum.
_EVERY_SESSION = {
    "timezone": "UTC",
    # A writer that has waited for its turn must see what the one before it has committed.
    "default_transaction_isolation": "read committed",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "15min",
}
_SESSION_OF_ROLE: dict[Role | None, dict[str, str]] = {
    None: {},
    Role.OWNER: {"lock_timeout": "10s"},
    Role.APP: {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "1min"},
    Role.EXECUTOR: {
        "statement_timeout": "30s",
        # Shorter than the term of a lease: a process that stands still in mid-transaction must not
        # keep others from taking over.
        "idle_in_transaction_session_timeout": "10s",
        # What is sent to a venue must have been written for good, whatever a server's default.
        "synchronous_commit": "on",
    },
    Role.PIPELINES: {
        "statement_timeout": "15min",
        # Bitmap scans over a partly compressed chunk made UPDATE touch 0 rows, TimescaleDB < 2.25.
        "enable_bitmapscan": "off",
        # A revision of a month of seconds opens all of it; the limit of 100,000 rows would make it
        # impossible. Without the extension the name means nothing.
        "timescaledb.max_tuples_decompressed_per_dml_transaction": "0",
    },
    Role.ANALYST: {"statement_timeout": "15min"},
    Role.DOOR: {"statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"},
    Role.SUPPORT: {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "1min"},
}


@dataclass(frozen=True, slots=True)
class Database:
    """One database of one server; cheap to make, to copy and to send to another process.

    Parameters
    ----------
    admin_url
        libpq URL or keyword string of the login that `role=None` uses.
    roles_log_in
        Whether the roles are logins that the server knows by the system's user (the embedded
        server). Otherwise the login of `admin_url` takes the role at the start of the session.
    role_urls
        Logins of their own, where a deployment gives them.
    """

    admin_url: SecretStr
    roles_log_in: bool = False
    role_urls: tuple[tuple[Role, SecretStr], ...] = ()

    @property
    def name(self) -> str:
        """Name of the database."""
        parts = self._parts(None)
        return parts.get("dbname") or parts.get("user") or "postgres"

    @property
    def address(self) -> str:
        """Where the database is, for messages: without a password."""
        return _address(self._parts(None))

    def url(self, role: Role | None = None) -> str:
        """Return a libpq URL, for psycopg, ADBC, DuckDB and psql; it may hold a password.

        The role and the session's settings are in its `options`, so that they hold for every
        client that takes the URL.
        """
        parts = self._parts(role)
        options = _EVERY_SESSION | _SESSION_OF_ROLE[role]
        if role is not None and parts.get("user") != role:
            options = {"role": str(role)} | options
        words = [parts.pop("options", "")]
        # The server splits them at blanks.
        words += [f"-c{key}={value.replace(' ', chr(92) + ' ')}" for key, value in options.items()]
        return _to_url(parts | {"options": " ".join(words).strip()})

    def login_url(self, role: Role | None = None) -> str:
        """Return a libpq URL without the session's settings, for tools with sessions of their own.

        It has the rights of `role` as `url` does.
        """
        parts = self._parts(role)
        if role is not None and parts.get("user") != role:
            parts["options"] = f"{parts.get('options', '')} -crole={role}".strip()
        return _to_url(parts)

    def connect(
        self, role: Role | None = None, *, autocommit: bool = False, application_name: str = ""
    ) -> psycopg.Connection[TupleRow]:
        """Open a connection that has the rights of `role`, or of the login for None.

        A server that recovers from a crash is waited for.

        Raises
        ------
        DatabaseUnreachable
            Nothing answers at the address.
        DatabaseRefused
            Login, role or database are refused.
        """
        deadline = time.monotonic() + _RECOVERY_WAIT_S
        while True:
            try:
                return psycopg.connect(
                    self.url(role),
                    autocommit=autocommit,
                    application_name=application_name or f"candela {role or 'admin'}",
                    connect_timeout=_CONNECT_TIMEOUT_S,
                )
            except psycopg.OperationalError as error:
                # A server one of whose processes was killed is back within seconds.
                if not any(words in str(error) for words in _RECOVERING) or (
                    time.monotonic() > deadline
                ):
                    raise self._explain(role, error) from None
                time.sleep(_RECOVERY_PAUSE_S)

    def sibling(self, name: str) -> Database:
        """Return another database of the same server."""
        return replace(
            self,
            admin_url=SecretStr(_to_url(self._parts(None) | {"dbname": name})),
            role_urls=tuple(
                (role, SecretStr(_to_url(_parse(url) | {"dbname": name})))
                for role, url in self.role_urls
            ),
        )

    def _parts(self, role: Role | None) -> dict[str, str]:
        if role is not None:
            for known, url in self.role_urls:
                if known == role:
                    return _parse(url)
        parts = _parse(self.admin_url)
        if role is not None and self.roles_log_in:
            parts.pop("password", None)
            parts["user"] = str(role)
        return parts

    def _explain(self, role: Role | None, error: psycopg.OperationalError) -> ConfigError:
        parts = self._parts(role)
        said = _without(str(error), parts.get("password"))
        at = _address(parts)
        for words, hint in _HINTS:
            if words in said:
                return DatabaseRefused(f"{at} refuses: {_last_line(said)}.", hint)
        if _SERVER_SPOKE not in said:
            return DatabaseUnreachable(
                f"No PostgreSQL answers at {at}: {_last_line(said)}.",
                "Check CANDELA_DATABASE_URL; with it unset, `candela up` starts the embedded one.",
            )
        if any(words in said for words in _PASSING):
            return DatabaseUnreachable(
                f"{at} takes no connection now: {_last_line(said)}.", "Try again in some seconds."
            )
        return DatabaseRefused(f"{at} refuses: {_last_line(said)}.")


_SERVER_SPOKE = "FATAL:"
_RECOVERING = (
    "the database system is starting up",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
)
_PASSING = ("starting up", "shutting down", "recovery", "too many clients", "connection slots")
_HINTS = (
    ("password authentication failed", "Correct user and password in the URL."),
    ("no password supplied", "Put the password into the URL, or name a passfile."),
    ("permission denied to set role", "GRANT the role to the login of the URL."),
    ('invalid value for parameter "role"', "`candela db migrate` makes the roles."),
    ("does not exist", "Create it: docs/howto names the statements for a server of your own."),
    ("Peer authentication failed", "Run as the user who owns the state folder."),
    ("no pg_hba.conf entry", "Allow the login in the server's pg_hba.conf."),
)


def _parse(url: SecretStr) -> dict[str, str]:
    try:
        parsed = conninfo_to_dict(url.get_secret_value())
        for port in str(parsed.get("port") or "").split(","):
            int(port or 0)
    except (psycopg.ProgrammingError, ValueError):
        # libpq's own message repeats the text, password and all.
        raise ConfigError(
            "A database URL cannot be read as one.",
            "Write it as postgresql://user:password@host:port/database, with the characters "
            "@ : / ? # % of the password percent-encoded.",
        ) from None
    return {key: str(value) for key, value in parsed.items() if value is not None}


def _to_url(parts: dict[str, str]) -> str:
    """Write keywords as a URL; socket folders and lists of hosts only fit into its query."""
    rest = dict(parts)
    user, name = quote(rest.pop("user", ""), safe=""), quote(rest.pop("dbname", ""), safe="")
    password = rest.pop("password", None)
    login = user if password is None else f"{user}:{quote(password, safe='')}"
    place = ""
    host = rest.get("host", "")
    if host and not any(mark in host for mark in "/,:@%") and "," not in rest.get("port", ""):
        del rest["host"]
        port = rest.pop("port", "")
        place = f"{host}:{port}" if port else host
    query = urlencode(rest, quote_via=quote, safe="/")
    return f"postgresql://{login}{'@' if login else ''}{place}/{name}{'?' if query else ''}{query}"


def _address(parts: dict[str, str]) -> str:
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    user = parts.get("user", "")
    return (
        f"{user}{'@' if user else ''}{host}:{parts.get('port', '5432')}/{parts.get('dbname', '')}"
    )


def _without(text: str, secret: str | None) -> str:
    return text.replace(secret, "***") if secret else text


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("connection failed: ").rstrip(".") if lines else "no reason given"
