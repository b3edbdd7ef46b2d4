"""What the stand-in knows: its objects, its time, its events; and refusals in Stripe's shape."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from candela.clock import Clock

__all__ = ["DAY_S", "Book", "Content", "Refusal"]

Content = dict[str, Any]
DAY_S: Final = 86_400


class Refusal(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status
        HTTP status.
    kind
        Such as ``invalid_request_error`` or ``card_error``.
    """

    def __init__(
        self, status: int, kind: str, message: str, *, code: str = "", param: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"type": kind, "message": message, "code": code, "param": param}
        self.content = {"error": {name: value for name, value in error.items() if value}}


class Book:
    """Objects by id, in the order in which they were made.

    Parameters
    ----------
    clock
        The time beneath; what `advance` adds is on top of it.
    on_event
        Called with each event.
    """

    def __init__(self, clock: Clock, on_event: Callable[[Content], None]) -> None:
        self.clock = clock
        self.ahead_s = 0
        self.objects: dict[str, Content] = {}
        self.events: list[Content] = []
        self.works: dict[str, bool] = {}
        """Whether the card of a customer does."""
        self._on_event = on_event

    def now(self) -> int:
        """Return the time of objects: seconds since 1970."""
        return int(self.clock.now().timestamp()) + self.ahead_s

    def make(self, prefix: str, kind: str, content: Content, own_id: str | None = None) -> Content:
        """Add an object under a new id, or one that the caller chose."""
        made_id = own_id or f"{prefix}_{secrets.token_hex(12)}"
        if made_id in self.objects:
            message = f"{kind.title()} already exists."
            raise Refusal(
                400, "invalid_request_error", message, code="resource_already_exists", param="id"
            )
        made = {"id": made_id, "object": kind, "created": self.now(), "livemode": False}
        self.objects[made_id] = made | {"metadata": {}} | content
        return self.objects[made_id]

    def get(self, object_id: str, kind: str) -> Content:
        """Return an object of a kind, or refuse as Stripe does."""
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            message = f"No such {kind}: '{object_id}'"
            raise Refusal(
                404, "invalid_request_error", message, code="resource_missing", param="id"
            )
        return found

    def all(self, kind: str, **fields: object) -> list[Content]:
        """Return the objects of a kind with those fields, newest first."""
        found = [
            one
            for one in self.objects.values()
            if one["object"] == kind
            and all(one.get(name) == value for name, value in fields.items())
        ]
        return found[::-1]

    def tell(self, kind: str, about: Content) -> Content:
        """Make an event with the object as it is now."""
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": self.now(),
            "livemode": False,
            "pending_webhooks": 1,
            "type": kind,
            "data": {"object": copy.deepcopy(about)},
        }
        self.events.append(event)
        self._on_event(event)
        return event

    def expanded(self, content: Content, paths: list[str]) -> Content:
        """Return a copy in which ids that the paths name are the objects."""
        found = copy.deepcopy(content)
        for path in paths:
            self._expand(found, path.split("."))
        return found

    def _expand(self, value: Any, path: list[str]) -> None:
        if isinstance(value, list):
            for one in value:  # pyright: ignore[reportUnknownVariableType]
                self._expand(one, path)
            return
        if not path or not isinstance(value, dict):
            return
        head, *rest = path
        inner: Any = value.get(head)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(inner, str) and inner in self.objects:
            inner = copy.deepcopy(self.objects[inner])
            value[head] = inner
        self._expand(inner, rest)
