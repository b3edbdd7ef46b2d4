"""The scene of the contract suite, once over memory and once over PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.live.store.databases import postgres_scene
from tests.live.store.worlds import Scene, memory_scene

if TYPE_CHECKING:
    from candela.db.connect import Database

Play: TypeAlias = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture(params=["memory", "postgres"])
def play(request: pytest.FixtureRequest) -> Play:
    """Give a function that runs a story over a store."""
    database: Database | None = None
    if request.param == "postgres":
        database = request.getfixturevalue("database")

    def run(story: Callable[[Scene], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with memory_scene() if database is None else postgres_scene(database) as scene:
                await story(scene)

        asyncio.run(whole())

    return run
