"""What a bot makes of a signal or a quote; all of it pure, none of it sends anything."""
