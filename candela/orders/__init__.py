"""Orders and what becomes of them: the words, the states, the arithmetic; no input or output."""
