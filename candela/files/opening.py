"""Opening: a path becomes a stream of plain bytes with its digest, or one clear error."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Literal, cast

from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Opened", "RawFile", "open_file", "read_some"]

_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZIP: Final = b"PK\x03\x04"
_ZIP_EMPTY: Final = b"PK\x05\x06"
_OTHERS: Final = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4"}
_BLOCK: Final = 1 << 20


class RawFile(io.RawIOBase):
    """A file that hashes what is read from it, once from start to end, and counts it.

    It ends where it ended when it was opened, so that of a file that grows the digest is that of
    the rows that were read.
    """

    def __init__(self, stream: IO[bytes], total: int) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()
        self._hashed = 0
        self.total = total
        self.done = 0

    def readable(self) -> bool:
        """Say that reading is possible."""
        return True

    def seekable(self) -> bool:
        """Say that seeking is possible: zip files begin at their end."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read bytes, hashing those not hashed yet if they continue the hashed ones."""
        at = self._stream.tell()
        buffer = memoryview(buffer)[: max(0, self.total - at)]
        count = cast("io.BufferedReader", self._stream).readinto(buffer)
        if at <= self._hashed < at + count:
            self._hash.update(memoryview(buffer)[self._hashed - at : count])
            self._hashed = at + count
        self.done = max(self.done, at + count)
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Tell the place."""
        return self._stream.tell()

    def digest(self) -> str:
        """Return the sha256 of the whole file, reading what was not read yet."""
        self._stream.seek(self._hashed)
        while block := self._stream.read(min(_BLOCK, self.total - self._hashed)):
            self._hash.update(block)
            self._hashed += len(block)
        self.done = self._hashed
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()


@dataclass(slots=True)
class Opened:
    """An open file: its kind, and for text the stream of its uncompressed bytes."""

    path: Path
    kind: Literal["csv", "parquet"]
    raw: RawFile
    text: IO[bytes]
    compression: str | None

    def close(self) -> None:
        """Close the streams."""
        if self.kind == "csv":
            self.text.close()
        self.raw.close()


def open_file(path: Path) -> Opened:
    """Open a candle file and tell its kind by its first bytes, not by its name.

    Raises
    ------
    FileUnreadable
        Not there, no plain file, not allowed, empty, or in a form that is not read.
    """
    try:
        _refuse_odd_name(path)
        if path.is_dir():
            message = f"{path.name or path} is a folder, not a file."
            raise FileUnreadable("not_a_file", message, "Name the files in it.")
        if path.exists() and not path.is_file():
            message = f"{path.name} is not a plain file."
            raise FileUnreadable("not_a_file", message, "Copy its contents to a file first.")
        stream = path.open("rb")
        total = path.stat().st_size
    except (OSError, ValueError) as error:
        unreadable = _not_opened(path, error)
        raise unreadable from error
    try:
        return _opened(path, stream, total)
    except OSError as error:
        stream.close()
        message = f"{path.name} cannot be read: {error.strerror or error}."
        raise FileUnreadable("missing_file", message, "Copy it anew from its source.") from error
    except BaseException:
        stream.close()
        raise


def _refuse_odd_name(path: Path) -> None:
    """Refuse a name that is no text: neither a database nor JSON can hold it."""
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    if shown == str(path):
        return
    message = f"The name {shown} is not UTF-8."
    raise FileUnreadable("not_a_file", message, "Rename the file.")


def _not_opened(path: Path, error: OSError | ValueError) -> FileUnreadable:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return FileUnreadable(
            "no_permission", f"{path.name} may not be read.", "Change its permissions."
        )
    reason = getattr(error, "strerror", None) or str(error)
    return FileUnreadable(
        "missing_file",
        f"{str(path)!r} cannot be opened: {reason}.",
        "Check the path.",
    )


def _opened(path: Path, stream: IO[bytes], total: int) -> Opened:
    head = stream.read(8)
    stream.seek(0)
    if not head:
        message = f"{path.name} is empty: it has no bytes."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    raw = RawFile(stream, total)
    buffered = cast("IO[bytes]", io.BufferedReader(raw, _BLOCK))
    if head.startswith(_PARQUET):
        return Opened(path, "parquet", raw, buffered, None)
    if head.startswith(_GZIP):
        return Opened(path, "csv", raw, cast("IO[bytes]", gzip.GzipFile(fileobj=buffered)), "gzip")
    if head.startswith(_ZSTD):
        import pyarrow as pa

        unpacked = pa.CompressedInputStream(pa.PythonFile(buffered), "zstd")
        return Opened(path, "csv", raw, cast("IO[bytes]", unpacked), "zstd")
    if head.startswith(_ZIP_EMPTY):
        message = f"{path.name} is a zip archive without files."
        raise FileUnreadable("empty_file", message, "Get the file again from its source.")
    if head.startswith(_ZIP):
        return Opened(path, "csv", raw, _only_member(path, buffered), "zip")
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            message = f"{path.name} is compressed with {name}, which is not read."
            raise FileUnreadable("encoding", message, "Unpack it, or pack it with gzip or zstd.")
    if path.suffix.lower() in (".parquet", ".pq"):
        message = f"{path.name} is not a Parquet file: it does not begin with PAR1."
        raise FileUnreadable("not_parquet", message, "Get the file again from its source.")
    return Opened(path, "csv", raw, buffered, None)


def _only_member(path: Path, stream: IO[bytes]) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(stream)
        members = [
            info
            for info in archive.infolist()
            # Resource forks that macOS packs beside each file.
            if not info.is_dir() and not info.filename.startswith("__MACOSX/")
        ]
        if len(members) == 1:
            return archive.open(members[0])
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        raise _damaged(path.name, error) from error
    if any(info.filename == "[Content_Types].xml" for info in members):
        message = f"{path.name} is an Office document, such as an Excel workbook."
        raise FileUnreadable("encoding", message, "Save the sheet as CSV.")
    message = f"{path.name} holds {len(members)} files; one is read."
    raise FileUnreadable("encoding", message, "Unpack it and name the files.")


def read_some(opened: Opened, size: int) -> bytes:
    """Read uncompressed bytes; a damaged or cut file is one clear error.

    Raises
    ------
    FileUnreadable
        The compressed stream ends early or does not unpack.
    """
    try:
        return bytes(opened.text.read(size))
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        unreadable = _damaged(opened.path.name, error)
        raise unreadable from error


def _damaged(name: str, error: Exception) -> FileUnreadable:
    text = str(error)
    cut = isinstance(error, EOFError) or "runcated" in text or "end of" in text.lower()
    if cut or isinstance(error, zipfile.BadZipFile):
        message = f"{name} is cut off: its compressed contents end too early."
        return FileUnreadable("truncated_file", message, "Get the file again from its source.")
    message = f"{name} does not unpack: {text}."
    return FileUnreadable("encoding", message, "Get the file again from its source.")
