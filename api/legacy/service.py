"""Which bot the paths of older systems mean, that knew only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candela.desk.bots import UnknownBot, all_bots

if TYPE_CHECKING:
    from candela.desk.bots import BotRow
    from candela.desk.session import TenantSession

__all__ = ["default_bot"]


def default_bot(session: TenantSession) -> BotRow:
    """Return the tenant's first bot: the one that was made before all others that remain.

    Raises
    ------
    UnknownBot
        The tenant has none.
    """
    bots = all_bots(session)
    if bots:
        return min(bots, key=lambda bot: (bot.created_at, bot.bot_id))
    raise UnknownBot("There is no bot yet.", "POST /api/v1/bots makes one.")
