"""The command line of what trades: users, accounts, bots, orders, kill switches."""
