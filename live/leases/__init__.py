"""Which executor may work on which part: leases with an epoch, kept in PostgreSQL."""
