"""A page taken apart: its elements, attributes and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Element", "Page", "parsed_page"]


@dataclass
class Element:
    """One element with the text directly inside it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """The elements in the order in which they open."""

    elements: list[Element] = field(default_factory=list[Element])

    def all(self, tag: str) -> list[Element]:
        return [one for one in self.elements if one.tag == tag]

    def ids(self, tag: str) -> list[str]:
        return [one.attributes["id"] for one in self.all(tag) if "id" in one.attributes]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.page.elements.append(element)
        if tag not in {"meta", "img", "input", "link", "br", "line", "rect"}:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data


def parsed_page(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    return reader.page
