"""Trimming: streams lose what every group has acknowledged, and groups whose owner is gone."""

from __future__ import annotations

from typing import Any, Final, cast

from candela.bus import stream_keys

__all__ = ["trim"]

_FORGOTTEN_MS: Final = 10 * 60_000
# Where nobody reads, the outbox remembers; the stream keeps a little for those who come.
_UNREAD_MS: Final = 60_000


async def trim(client: Any, stream: str, now_ms: int) -> int:
    """Remove the entries of a stream that no group needs any more; return how many.

    Never by length: a slow group would lose entries without a word. A group that asked for nothing
    in ten minutes belongs to a process that is gone: it is removed, since its unread entries would
    be kept for ever. Should its owner come back, it makes the group anew and reads the outbox.

    Parameters
    ----------
    now_ms
        Milliseconds since 1970 by the Redis server's clock.
    """
    entries = stream_keys(stream).entries
    if not await client.exists(entries):
        return 0
    kept: list[tuple[int, int]] = []
    for group in await client.xinfo_groups(entries):
        name = group["name"]
        consumers = await client.xinfo_consumers(entries, name)
        if not consumers or all(one["idle"] > _FORGOTTEN_MS for one in consumers):
            await client.xgroup_destroy(entries, name)
            continue
        pending = await client.xpending(entries, name)
        kept.append(_number(pending["min"] if pending["pending"] else group["last-delivered-id"]))
    oldest = min(kept, default=(now_ms - _UNREAD_MS, 0))
    return cast(
        "int", await client.xtrim(entries, minid=f"{oldest[0]}-{oldest[1]}", approximate=False)
    )


def _number(entry_id: bytes | str) -> tuple[int, int]:
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    first, _, second = text.partition("-")
    return int(first), int(second or 0)
