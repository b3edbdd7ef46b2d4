"""The doors to PostgreSQL: connections by role, the runner of sql/, named queries."""
