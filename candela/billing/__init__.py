"""What plans cost and who paid: the one door to Stripe, and what it told."""
