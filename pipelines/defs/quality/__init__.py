"""The data contract as suites of Great Expectations, run as asset checks."""
