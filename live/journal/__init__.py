"""What bots tell of themselves: kept in PostgreSQL, and live over Redis for who watches."""
