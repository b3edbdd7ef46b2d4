"""The sandbox: a loopback venue on real candles, to rehearse trading and outages with."""
