"""How often who may ask: budgets in Redis, and in this process while Redis is away."""
