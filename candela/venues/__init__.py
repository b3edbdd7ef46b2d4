"""Trading venues over their public REST interfaces: the only room that knows ccxt."""
