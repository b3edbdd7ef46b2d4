"""The Dagster code location: candles brought in, judged, kept complete and rolled up."""
