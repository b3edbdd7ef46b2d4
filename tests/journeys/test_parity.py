"""A trader asks whether the bot did what the test promised: trades first, then candela parity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.backtest.parity.afternoon import CROSS, SIZING, a_rehearsal, entries
from tests.backtest.parity.house import Troubles
from tests.backtest.parity.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from candela.db.connect import Database
    from tests.fixtures.command_line import Ran


def test_parity_when_a_bot_has_traded_names_what_went_wrong_and_sums(
    database: Database, command_line: Callable[..., Ran]
) -> None:
    rehearsal = a_rehearsal(database, Troubles(refused=frozenset({entries()[0]})))
    rehearsal.bot("afternoon", "ma_cross", parameters=CROSS, sizing=SIZING)
    rehearse(rehearsal, 30)

    shown = command_line("parity", "afternoon")
    assert shown.code == 0, shown.err
    assert "reject" in shown.out
    assert "Every unit of the gap has its cause." in shown.out
    kept = rehearsal.rows("SELECT is_explained FROM trading.parity")
    assert [row["is_explained"] for row in kept] == [True]
