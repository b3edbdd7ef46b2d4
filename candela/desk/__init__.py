"""What a tenant can do and see: each verb a function in one transaction that acts for it alone."""
