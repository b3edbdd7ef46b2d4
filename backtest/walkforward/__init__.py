"""Walk-forward: choose on the past, run on what follows, and join what came of it."""
