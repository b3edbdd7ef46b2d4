"""Figures of an executor for Prometheus."""
