"""The audit log: chained each minute, proved each night."""
