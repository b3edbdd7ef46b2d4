"""Trained models and what they advised."""
