"""The processes that trade: orders never lost, never doubled, for many accounts at once."""
