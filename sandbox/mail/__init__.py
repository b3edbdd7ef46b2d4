"""A mail server on this machine: takes everything, delivers nothing, shows what came."""
