"""Definitions, one folder a subject; pipelines/definitions.py puts them together."""

from __future__ import annotations

import warnings

import dagster as dg

# Dagster warns at each load that partitioned checks and backfill policies may change; the tests of
# this room are what would notice.
for _category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=_category)
