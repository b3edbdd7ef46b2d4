"""Billing: each night every customer is compared with Stripe, and income is counted."""
