"""Brokers: one port for every place where orders can be sent, and its adapters."""
