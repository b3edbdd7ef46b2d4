"""Definitions, one folder a subject; pipelines/definitions.py puts them together."""
