"""The state folder: where everything of the embedded servers lies, its lock and its record."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Record", "StateFolder", "StateFolderUnusable"]

# sun_path holds 108 bytes on Linux and 104 on macOS; the longest name is .s.PGSQL.12345.lock.
_LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.12345.lock")
# Not the variable TMPDIR, whose value is long on macOS and differs between logins.
_SHORT = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder
_LOCK_WAIT_S = 180.0
_LOG_KEPT_BYTES = 10_000_000


class StateFolderUnusable(ConfigError):
    """The state folder cannot hold the servers."""

    code = "state_folder_unusable"


@dataclass(frozen=True, slots=True)
class Record:
    """What the first start chose and every later one keeps.

    Parameters
    ----------
    sockets
        Folder of both servers' sockets.
    port
        Names PostgreSQL's socket for ever; also its port on 127.0.0.1, where that is free.
    prepared
        Version of the roles and databases that are known to be there; 0 for none.
    """

    sockets: str
    port: int
    prepared: int = 0


class StateFolder:
    """Paths below the state folder; the files that say how to reach the servers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.postgres = path / "postgres"
        self.postgres_data = self.postgres / "data"
        self.postgres_log = path / "logs" / "postgres.log"
        self.valkey = path / "valkey"
        self.valkey_log = path / "logs" / "valkey.log"
        self._record = path / "servers.json"
        self._passwords = path / "passwords.json"

    def create(self) -> None:
        """Make the folder, for this user alone.

        Raises
        ------
        StateFolderUnusable
            It cannot be made or written, or it belongs to another user.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in (self.postgres, self.valkey, self.postgres_log.parent):
                part.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateFolderUnusable(
                f"The state folder {self.path} cannot be written: {error.strerror}.",
                "Set CANDELA_STATE_DIR to a folder of yours on a local disk.",
            ) from error
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            # Peer authentication and file modes both tie the servers to the owner.
            raise StateFolderUnusable(
                f"The state folder {self.path} belongs to user id {owner}, "
                f"this process runs as {os.geteuid()}.",
                "Run as its owner, or set CANDELA_STATE_DIR to a folder of your own.",
            )

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the folder's lock, which ends with the process however that ends.

        Raises
        ------
        StateFolderUnusable
            Another process has held it for minutes.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        holder = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
                        raise StateFolderUnusable(
                            f"Process {holder} has held {self.path / 'lock'} for "
                            f"{_LOCK_WAIT_S:.0f} s.",
                            "See what it waits for, end it, then try again.",
                        ) from None
                    time.sleep(0.02)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def record(self) -> Record | None:
        """Return what an earlier start chose; None before the first."""
        found = _read_json(self._record)
        if found is None:
            return None
        return Record(str(found["sockets"]), int(found["port"]), int(found["prepared"]))

    def write_record(self, record: Record) -> None:
        """Keep what was chosen; the file is whole or absent, whenever the process dies."""
        _write_json(self._record, asdict(record))

    def passwords(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return the password of each name, made at random where there is none yet."""
        known = cast("dict[str, str]", _read_json(self._passwords) or {})
        missing = [name for name in names if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(32) for name in missing}
            _write_json(self._passwords, known)
        return known

    def open_log(self, path: Path) -> int:
        """Open a log to append to, the long one of before set aside."""
        if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def make_sockets(self, former: str | None, owner: int) -> str:
        """Make the folder of the sockets, reachable for `owner` (and root) only.

        It is run/ in the state folder where that path is short and plain enough for every
        client: 103 bytes, no space, comma or letter beyond ASCII. Else a folder with a random
        name in /tmp, which nobody can prepare beforehand.

        Raises
        ------
        StateFolderUnusable
            Something else has the name run/.
        """
        if former is not None and _claim(Path(former), owner):
            return former
        inside = self.path / "run"
        text = os.fspath(inside)
        if len(os.fsencode(text)) <= _LONGEST_SOCKET_FOLDER and _is_plain(text):
            if _claim(inside, owner):
                return text
            raise StateFolderUnusable(
                f"{inside} is not a folder of this user.", "Remove it, then try again."
            )
        made = tempfile.mkdtemp(prefix="candela-", dir=_SHORT)
        os.chown(made, owner, -1)
        return made

    def remove_sockets(self) -> None:
        """Remove the folder of the sockets from /tmp, once no server uses it."""
        record = self.record()
        if record is not None and Path(record.sockets).parent == _SHORT:
            with suppress(OSError):  # gone already, or a server that cannot be ours is in it
                Path(record.sockets).rmdir()


def _is_plain(text: str) -> bool:
    return text.isascii() and all(mark.isalnum() or mark in "/._-+" for mark in text)


def _claim(path: Path, owner: int) -> bool:
    """Make sure of a folder that only `owner` can enter; False if somebody else has the name."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            return False
    except FileNotFoundError:
        return False
    if path.stat().st_uid != owner:
        os.chown(path, owner, -1)
    path.chmod(0o700)
    return True


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, OSError) as error:
        raise StateFolderUnusable(
            f"{path} cannot be read: {error}.", "Restore it from a backup, or move it away."
        ) from error


def _write_json(path: Path, content: object) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp: mode 0600
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    Path(draft).replace(path)
