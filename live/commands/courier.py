"""The command `candela courier`, and the courier that `candela live` runs beside executors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from candela.commands.output import JsonFlag, Output

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from candela.embedded import Places
    from candela.settings import Settings
    from live.courier.courier import Courier

__all__ = ["courier", "courier_beside"]


def courier(as_json: JsonFlag = False) -> None:
    """Send mails that are due until Ctrl-C; `candela live` does so too, several do no harm."""
    import time

    from candela.commands.places import open_command
    from candela.commands.stopping import stop_on_signal

    output = Output(as_json=as_json)
    settings, places = open_command(output)
    settings.check_production()
    with stop_on_signal() as is_asked, courier_beside(settings, places) as is_over:
        if settings.smtp_url is None:
            output.note("Mails wait: CANDELA_SMTP_URL is not set.")
        while not is_asked() and not is_over.is_set():
            time.sleep(0.1)
    output.note("Stopped.")


@contextmanager
def courier_beside(settings: Settings, places: Places) -> Generator[threading.Event]:
    """Run a courier in a thread of this process, apart from what trades; give what ends it."""
    import threading

    is_over = threading.Event()
    made = _courier(settings, places)
    thread = threading.Thread(target=made.run, args=(is_over,), name="courier", daemon=True)
    thread.start()
    try:
        yield is_over
    finally:
        is_over.set()
        # A server that does not answer is not waited for: what is in hand is the next one's.
        thread.join(timeout=5.0)


def _courier(settings: Settings, places: Places) -> Courier:
    from candela.clock import SystemClock
    from candela.notify.smtp import read_mail_server
    from live.courier.courier import Courier

    url = settings.smtp_url
    host = f"http://{settings.api_host}:{settings.api_port}"
    return Courier(
        places.database,
        None if url is None else read_mail_server(url.get_secret_value(), settings.mail_from),
        public_url=(settings.public_url or host).rstrip("/"),
        clock=SystemClock(),
    )
