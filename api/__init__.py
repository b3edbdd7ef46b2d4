"""The door for traders and their programs: JSON over HTTP at /api/v1, events over WebSockets."""
