"""A server that recovers from a killed process of its own: new connections wait for it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import psycopg

from candela.embedded import open_places
from tests.fixtures.state import assert_row_is_kept, embedded_settings, keep_a_row, pids, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def test_connect_when_a_killed_backend_made_the_server_recover_then_waits_for_it(
    state_dir: Path,
) -> None:
    places = open_places(embedded_settings(state_dir))
    keep_a_row(places)
    url = places.database.url()

    def is_recovering() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            return "the database system is" in str(error)
        return False

    with places.database.connect() as connection:
        main, backend = pids(state_dir)["postgresql"], connection.info.backend_pid
        # A second victim that ends late keeps the server in its recovery until it is let go.
        busy = places.database.connect()
        os.kill(busy.info.backend_pid, signal.SIGSTOP)
        os.kill(backend, signal.SIGKILL)
        wait_for(is_recovering)
        os.kill(busy.info.backend_pid, signal.SIGCONT)
    assert_row_is_kept(open_places(embedded_settings(state_dir)))
    assert pids(state_dir)["postgresql"] == main
    assert psutil.pid_exists(main)
    busy.close()
