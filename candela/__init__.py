"""Candela's kernel: the words, rules and doors that every room shares."""
