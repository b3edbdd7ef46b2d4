"""What a text is made of, and the ways in which languages write numbers and dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Tongue", "Words"]


@dataclass(frozen=True, slots=True)
class Words:
    """One text; all parts are Jinja templates over its parameters.

    Parameters
    ----------
    subject
        Of the mail, and the title in the inbox.
    lines
        Paragraphs; the first one is what the inbox shows.
    each
        A line for each item of the list of that name, below the first paragraph.
    button
        What the link is called, where the mail has one.
    """

    subject: str
    lines: tuple[str, ...]
    each: tuple[str, str] | None = None
    button: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """A language: its texts, and how it writes.

    Parameters
    ----------
    months
        Names, January first.
    day_format, instant_format
        Of ``day``, ``month``, ``year``, ``clock`` and ``zone``.
    thousands, decimals
        What stands between groups of three digits, and before the decimal places.
    words
        What codes are called, such as ``paper``.
    """

    texts: Mapping[str, Words]
    months: tuple[str, ...]
    day_format: str
    instant_format: str
    thousands: str
    decimals: str
    words: Mapping[str, str]
    greeting: str
    closing: str
    footer: str
    paste: str
