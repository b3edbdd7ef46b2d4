"""What stands between Candela and vectorbt: one door, its arguments and its limits."""
