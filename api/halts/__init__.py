"""Kill switches of bots, accounts and the whole tenant."""
