"""Text blocks: the decoded bytes of a text file in stretches of whole lines."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

from candela.files.opening import read_some
from candela.files.unreadable import FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candela.files.opening import Opened

__all__ = ["TextBlocks"]

_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 20
_ALLOWED: Final = frozenset(b"\t\n\r\f\v\x1a\x1b")
_CONTROL: Final = bytes(code for code in range(32) if code not in _ALLOWED) + b"\x7f"
_BINARY_SHARE: Final = 0.01
_MOST: Final = 0.9
_ENDS: Final = re.compile(rb"\r+\n")
_UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NO_TABLES: Final = {
    b"{": "JSON",
    b"[": "JSON",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "XML",
    b"%pdf": "a PDF document",
}
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class TextBlocks:
    r"""Read a text file as UTF-8 blocks that end with a line end, the last one perhaps not.

    Line ends become ``\n``; a byte order mark is dropped.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        head = read_some(opened, _BLOCK)
        while len(head) < _BLOCK and (more := read_some(opened, _BLOCK - len(head))):
            head += more
        if not head:
            message = f"{opened.path.name} is empty: it holds no bytes."
            raise FileUnreadable("empty_file", message, "Get the file again from its source.")
        self.encoding, skip = self._encoding(head)
        self._decoder = (
            codecs.getincrementaldecoder(self.encoding)(errors="replace")
            if self.encoding.startswith("utf-16")
            else None
        )
        self._head = head[skip:]
        self._is_whole = len(head) < _BLOCK
        text = self._decoded(self._head[:_BLOCK], peek=True)
        self._is_old_mac = b"\n" not in text and b"\r" in text
        self.first = self._lines_of(text)

    def _lines_of(self, text: bytes) -> list[str]:
        lines = self._clean(text).decode("utf-8", "replace").split("\n")
        # The last piece may be half a line of a longer file.
        if len(lines) > 1 and not (self._is_whole and lines[-1]):
            lines = lines[:-1]
        return lines

    def _encoding(self, head: bytes) -> tuple[str, int]:
        if head.startswith(_UTF32):
            message = f"{self._opened.path.name} is UTF-32 text, which is not read."
            raise FileUnreadable("encoding", message, "Save it as UTF-8.")
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig", len(codecs.BOM_UTF8)
        for mark, name in _UTF16.items():
            if head.startswith(mark):
                return name, len(mark)
        sample = head[:4096]
        wide = _wide(sample)
        if wide is not None:
            return wide, 0
        start = sample.lstrip()[:15].lower()
        for mark, name in _NO_TABLES.items():
            if start.startswith(mark):
                message = f"{self._opened.path.name} is {name}, which is not read."
                hint = "Candles are read from CSV text and from Parquet."
                raise FileUnreadable("wrong_header", message, hint)
        strange = len(sample) - len(sample.translate(None, _CONTROL))
        if strange > _BINARY_SHARE * len(sample):
            message = f"{self._opened.path.name} is not text: it has {strange} control characters."
            raise FileUnreadable(
                "encoding", message, "Candles are read from CSV text and from Parquet."
            )
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            return "latin-1", 0
        return "utf-8", 0

    def _decoded(self, block: bytes, *, peek: bool = False, final: bool = False) -> bytes:
        if self._decoder is None:
            return block
        state = self._decoder.getstate()
        text = self._decoder.decode(block, final=final).encode("utf-8")
        if peek:
            self._decoder.setstate(state)
        return text

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks; every one but the last ends with a line end.

        Raises
        ------
        FileUnreadable
            The file is cut or damaged, or holds a line that no table has.
        """
        carry = b""
        piece = self._head
        while True:
            text = self._decoded(piece, final=not piece)
            if self._is_old_mac:
                text = text.replace(b"\r", b"\n")
            cut = text.rfind(b"\n") + 1
            if cut:
                yield self._clean(carry + text[:cut])
                carry = text[cut:]
            else:
                carry += text
            if len(carry) > _LONGEST_LINE:
                message = f"{self._opened.path.name} has a line of over {_LONGEST_LINE:,} bytes."
                raise FileUnreadable("encoding", message, "It is no table of candles.")
            if not piece:
                break
            piece = read_some(self._opened, _BLOCK)
        if carry:
            yield self._clean(carry)

    def _clean(self, block: bytes) -> bytes:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if b"\r" in block:
            block = _ENDS.sub(b"\n", block).replace(b"\r", b"\n")
        if not block.isascii():
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                # Numbers and times are ASCII: reading any other byte as Latin-1 loses nothing.
                block = block.decode("latin-1").encode("utf-8")
        return block


def _wide(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark: of plain text every second byte is zero."""
    for name, zeros, others in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if zeros.count(0) > _MOST * len(zeros) and not others.count(0):
            return name
    return None
