"""Rules that tell when something happens."""
