"""Orders by hand, and all orders."""
