"""Kill switches as they go over the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.kit.texts import Text

__all__ = ["KillIn", "ReleasedOut"]


class KillIn(BaseModel):
    """Why, and what becomes of what is held."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        default="by hand", description="shown wherever an entry is refused by it"
    )
    flatten: StrictBool = Field(
        default=False, description="true: what is held in its scope is sold; else it stays guarded"
    )


class ReleasedOut(BaseModel):
    """Whether a switch was on."""

    released: bool
