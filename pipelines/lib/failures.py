"""Our errors as Dagster's: the same fields, as metadata of the failure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from candela.errors import CandelaError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["explained"]


@contextmanager
def explained() -> Generator[None]:
    """Turn a CandelaError into a Failure; only what may be retried is retried.

    Raises
    ------
    Failure
        With code, message, hint and status as metadata.
    """
    try:
        yield
    except CandelaError as error:
        fields = {key: value for key, value in error.as_dict().items() if value is not None}
        raise dg.Failure(
            description=str(error), metadata=fields, allow_retries=error.retryable
        ) from error
