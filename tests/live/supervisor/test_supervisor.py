"""The supervisor keeps its children running, waits longer after each death, and drains them."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from live.supervisor.supervisor import Supervisor, back_off_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LASTING = "import time\nwhile True: time.sleep(0.05)"
DRAINING = (
    "import pathlib, signal, sys, time\n"
    "def end(*_):\n"
    "    pathlib.Path(sys.argv[1]).write_text('drained')\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path(sys.argv[1]).write_text('ready')\n"
    "while True: time.sleep(0.05)"
)


def running(*words: str) -> Callable[[str, str | None], list[str]]:
    return lambda _name, _before: ["-c", *words]


def until(supervisor: Supervisor, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        supervisor.look()
        time.sleep(0.02)


def test_back_off_after_deaths_grows_to_a_bound() -> None:
    waits = [back_off_s(deaths) for deaths in range(10)]

    assert waits[:4] == [0.0, 0.5, 1.0, 2.0]
    assert waits == sorted(waits)
    assert waits[-1] == 30.0


def test_look_when_a_child_is_killed_then_it_is_started_again() -> None:
    told: list[str] = []
    with Supervisor(running(LASTING), 2, tell=told.append) as supervisor:
        supervisor.look()
        first, second = (child.process for child in supervisor.children)
        assert first is not None
        assert second is not None
        os.kill(first.pid, signal.SIGKILL)

        until(supervisor, lambda: supervisor.children[0].starts == 2)

        assert supervisor.children[1].process is second
        assert any("signal 9" in text for text in told)
        pids = [child.process.pid for child in supervisor.children if child.process]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_look_when_a_child_dies_at_once_then_it_waits_longer_each_time() -> None:
    moment = [0.0]
    supervisor = Supervisor(running("import sys; sys.exit(3)"), 1, clock=lambda: moment[0])
    child = supervisor.children[0]
    waits: list[float] = []
    for deaths in range(1, 4):
        moment[0] = child.start_at
        until(supervisor, lambda deaths=deaths: child.deaths == deaths)
        waits.append(child.start_at - moment[0])
        assert child.process is None

    assert waits == [0.5, 1.0, 2.0]
    assert child.codes == [3, 3, 3]
    supervisor.stop()


def test_look_when_a_child_died_then_the_next_one_is_told_whose_place_it_takes() -> None:
    named: list[tuple[str, str | None]] = []

    def command(name: str, before: str | None) -> list[str]:
        named.append((name, before))
        return ["-c", "pass"]

    supervisor = Supervisor(command, 1)
    until(supervisor, lambda: len(named) == 2)
    supervisor.stop()

    (first, nobody), (second, before) = named
    assert nobody is None
    assert before == first
    assert second != first


def test_stop_when_children_run_then_they_drain(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with Supervisor(running(DRAINING, str(note)), 1, log_dir=tmp_path) as supervisor:
        until(supervisor, lambda: note.is_file() and note.read_text() == "ready")

    assert note.read_text() == "drained"


def test_stop_when_a_child_does_not_end_then_it_is_killed() -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LASTING
    told: list[str] = []
    supervisor = Supervisor(running(deaf), 1, tell=told.append)
    supervisor.look()
    process = supervisor.children[0].process
    assert process is not None
    time.sleep(0.5)

    supervisor.stop(grace_s=0.3)

    assert process.returncode in {-signal.SIGKILL, -signal.SIGTERM}
    assert not psutil.pid_exists(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_start_when_a_supervisor_is_made_then_children_have_sessions_of_their_own() -> None:
    with Supervisor(running(LASTING), 1) as supervisor:
        supervisor.look()
        process = supervisor.children[0].process
        assert process is not None
        assert os.getsid(process.pid) == process.pid
