"""API tokens: made once, shown once, with scopes."""
