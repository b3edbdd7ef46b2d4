"""The account desk: all that happens between a decision and a booked fill, for one account."""
