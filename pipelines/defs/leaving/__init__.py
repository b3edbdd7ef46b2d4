"""What becomes of those who left."""
