"""The market's words: timeframes, instruments and the candle frame."""
