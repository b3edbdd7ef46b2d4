"""What is held now."""
