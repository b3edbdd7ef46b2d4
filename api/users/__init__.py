"""One's own profile, export of all data, and leaving."""
