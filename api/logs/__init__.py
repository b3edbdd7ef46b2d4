"""What bots said, as pages and as a stream."""
