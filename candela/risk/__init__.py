"""Rules that guard money: limits, gates before an entry, protection of what is held; all pure."""
