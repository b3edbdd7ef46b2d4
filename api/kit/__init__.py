"""What all features share: who calls, problems, pages of lists, keys of idempotency."""
