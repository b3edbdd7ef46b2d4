"""Instruments by turnover and change."""
