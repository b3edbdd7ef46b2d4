"""What each venue's own codes mean for a request, as data."""
