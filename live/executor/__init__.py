"""The process that trades: whatever its leases say, it recovers, runs bots, and lets go."""
