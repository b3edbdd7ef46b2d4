"""What administrators see and may do."""
