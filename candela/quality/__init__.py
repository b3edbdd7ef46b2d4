"""The data contract: named checks and the one gate that applies them to candles."""
