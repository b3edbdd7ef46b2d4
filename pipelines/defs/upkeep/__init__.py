"""What keeps the orchestrator itself well."""
