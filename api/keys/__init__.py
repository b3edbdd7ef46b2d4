"""Keys of exchanges, brokers and advisers: sealed, tested, never shown."""
