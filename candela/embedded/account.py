"""The system user that runs the servers, and its way to the files.

PostgreSQL refuses to run as root. For root, both servers therefore run as a system user of
their own, which gets passage to their folders by access control entries for itself alone:
folders of root stay closed to everybody else. For any other user nothing changes hands.
"""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from candela.errors import ConfigError

__all__ = ["Account", "server_account"]

_NAME = "candela-servers"
_ACL = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_READ, _PASS = 4, 1


class SpawnUser(TypedDict, total=False):
    """The keywords of subprocess that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the servers.

    Parameters
    ----------
    uid, gid
        Of the servers' processes and files.
    client
        Name of the system user whose processes may connect: the one who runs Candela.
    is_other
        Whether the servers run as somebody else than this process.
    """

    uid: int
    gid: int
    client: str
    is_other: bool

    @property
    def spawn(self) -> SpawnUser:
        """Keywords for subprocess that start a process as this account."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand a folder of the servers to this account."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)
            path.chmod(0o700)

    def open_way(self, path: Path) -> None:
        """Let this account pass through every folder above `path`, and nobody else.

        Raises
        ------
        ConfigError
            A folder is closed and the file system keeps no access control entries.
        """
        if self.is_other:
            for folder in reversed(path.parents):
                _grant(folder, self.uid, _PASS)

    def open_tree(self, top: Path) -> None:
        """Let this account read and run an installation, where its files are closed to others."""
        if not self.is_other:
            return
        self.open_way(top)
        for folder, _, names in os.walk(top):
            _grant(Path(folder), self.uid, _READ | _PASS)
            for name in names:
                file = Path(folder) / name
                if not file.is_symlink():
                    wanted = _READ | (_PASS if file.stat().st_mode & 0o100 else 0)
                    _grant(file, self.uid, wanted)


def server_account() -> Account:
    """Return who runs the servers: this user, or for root the system user made for it.

    Raises
    ------
    ConfigError
        This user has no name, or root cannot make the system user.
    """
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ConfigError(
            f"User id {uid} has no name on this system, which PostgreSQL needs.",
            "Add it to /etc/passwd, or set CANDELA_DATABASE_URL and CANDELA_REDIS_URL.",
        ) from None
    if uid != 0:
        return Account(uid, os.getegid(), name, is_other=False)
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid, name, is_other=True)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_NAME)
    except KeyError:
        said = _add_system_user()
    try:
        # Also when adding failed: another process may have been the one that added it.
        return pwd.getpwnam(_NAME)
    except KeyError:
        raise ConfigError(
            f"The system user {_NAME}, which runs PostgreSQL for root, cannot be made: {said}.",
            "Run Candela as an ordinary user, or set CANDELA_DATABASE_URL and CANDELA_REDIS_URL.",
        ) from None


def _add_system_user() -> str:
    if shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        command = ["useradd", "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", _NAME]
    elif shutil.which("adduser", path="/usr/sbin:/sbin:/usr/bin:/bin"):  # Alpine
        command = ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", _NAME]
    else:
        return "there is neither useradd nor adduser"
    done = subprocess.run(
        command,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.strip() or f"{command[0]} ended with {done.returncode}"


def _grant(path: Path, uid: int, wanted: int) -> None:
    """Give one user the bits `wanted` on one path, as `setfacl -m u:<uid>:<bits>` does."""
    found = path.stat()
    if found.st_mode & wanted == wanted or (
        found.st_uid == uid and (found.st_mode >> 6) & wanted == wanted
    ):
        return
    try:
        entries = _entries(path, found.st_mode)
        old = entries.get((_USER, uid), 0)
        mask = entries.get((_MASK, _NO_ID), entries[_GROUP_OBJ, _NO_ID])
        if old & mask & wanted == wanted:
            return
        entries[_USER, uid] = old | wanted
        entries[_MASK, _NO_ID] = mask | wanted
        packed = struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", tag, bits, who) for (tag, who), bits in sorted(entries.items())
        )
        os.setxattr(path, _ACL, packed)
    except (OSError, AttributeError) as error:  # AttributeError: macOS has no setxattr
        raise ConfigError(
            f"The system user {_NAME}, which runs the servers for root, may not enter {path} "
            f"and cannot be let in: {error}.",
            f"Run `chmod o+x {path}`, or set CANDELA_STATE_DIR to a folder like /var/lib/candela.",
        ) from error


def _entries(path: Path, mode: int) -> dict[tuple[int, int], int]:
    """Return the access control entries of a path as {(tag, id): bits}."""
    try:
        raw = os.getxattr(path, _ACL)
    except OSError:
        raw = b""  # none yet: the mode is the list
    if not raw:
        return {
            (_USER_OBJ, _NO_ID): mode >> 6 & 7,
            (_GROUP_OBJ, _NO_ID): mode >> 3 & 7,
            (_OTHER, _NO_ID): mode & 7,
        }
    return {(tag, who): bits for tag, bits, who in struct.iter_unpack("<HHI", raw[4:])}
