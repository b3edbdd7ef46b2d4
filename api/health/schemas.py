"""What probes are told."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["Alive", "Readiness"]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """What the process needs, and whether it has it."""

    status: Literal["ready", "not_ready"] = Field(
        description="not_ready, with 503: send requests elsewhere", examples=["ready"]
    )
    database: bool = Field(description="PostgreSQL answers", examples=[True])
    schema_current: bool = Field(
        description="the schema is what this version needs", examples=[True]
    )
    redis: bool = Field(
        description="Redis answers; without it requests are served, live events and shared limits"
        " are not",
        examples=[True],
    )
