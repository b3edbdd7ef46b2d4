"""What the plans include."""
