"""What the executor keeps: the port, PostgreSQL behind it, and memory behind it for simulations."""
