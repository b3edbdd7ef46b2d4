"""Secrets at rest: sealed by a key of their tenant, which a master key wraps."""
