"""PostgreSQL and Valkey as processes of the user, for a machine without servers."""

from __future__ import annotations

from candela.embedded.places import Places, open_places, stop_servers, tcp_url, were_stopped
from candela.embedded.status import ServerStatus, server_status

__all__ = [
    "Places",
    "ServerStatus",
    "open_places",
    "server_status",
    "stop_servers",
    "tcp_url",
    "were_stopped",
]
