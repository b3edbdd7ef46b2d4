"""WebSockets: tickets that open them, and the hub that feeds them."""
