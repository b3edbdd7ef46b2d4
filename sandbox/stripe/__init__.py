"""A stand-in for Stripe here, which the real client takes for it, with a movable clock."""
