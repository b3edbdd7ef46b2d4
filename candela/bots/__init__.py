"""Bots as configuration: what runs where, with how much, and what makes that impossible."""
