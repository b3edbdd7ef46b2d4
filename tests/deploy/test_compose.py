"""deploy/compose.yml starts what exists, with the least rights, and never on known secrets."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT
from tests.deploy.compose_rules import faults, laid_over, read

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yml"
SHARED = DEPLOY / "compose.shared.yml"
WORKERS = DEPLOY / "compose.workers.yml"
ENTRYPOINT = ["sh", "/srv/candela/deploy/entrypoint"]

type_document = dict[str, Any]


def service(name: str, **changes: object) -> Callable[[type_document], None]:
    return lambda document: document["services"][name].update(changes)


def without(name: str, key: str) -> Callable[[type_document], None]:
    return lambda document: document["services"][name].pop(key)


# what is planted, how, a word of the fault that must be named
PLANTED: list[tuple[str, Callable[[type_document], None], str]] = [
    (
        "absent service",
        service("web", depends_on={"gone": {"condition": "service_started"}}),
        "gone",
    ),
    ("privileged", service("code", privileged=True), "privileged"),
    ("root", service("daemon", user="0:0"), "root"),
    ("no user", without("db", "user"), "root"),
    ("writable", service("web", read_only=False), "write"),
    ("capabilities", service("valkey", cap_drop=["NET_RAW"]), "capabilities"),
    ("added capability", service("code", cap_add=["SYS_ADMIN"]), "capabilities"),
    ("new rights", service("code", security_opt=[]), "gain"),
    ("socket", service("daemon", volumes=["/var/run/docker.sock:/var/run/docker.sock"]), "socket"),
    ("folder of the host", service("db", volumes=["/srv:/var/lib/postgresql/data"]), "volume"),
    ("open port", service("db", ports=["5432:5432"]), "beyond"),
    ("host network", service("web", network_mode="host"), "network_mode"),
    ("default password", service("db", environment={"POSTGRES_PASSWORD": "x"}), "environment"),
    ("secret not mounted", service("migrate", secrets=["valkey_password"]), "not mounted"),
    ("undeclared secret", service("web", secrets=["other"]), "not declared"),
    ("undeclared network", service("web", networks=["other"]), "not declared"),
    ("no health check", without("code", "healthcheck"), "health"),
    ("restarting job", service("migrate", restart="always"), "restarts"),
    ("no limits", without("daemon", "deploy"), "limit"),
    ("floating image", service("valkey", image="valkey/valkey:latest"), "version"),
    ("unknown key", service("web", sekrets={}), "compose file"),
    ("root worker", service("worker-backtests", user="0:0"), "root"),
    ("worker without limits", without("worker-ingest", "deploy"), "limit"),
    ("bad duration", service("db", stop_grace_period="soon"), "compose file"),
]


def test_compose_file_as_it_stands_has_no_fault() -> None:
    assert faults(read(COMPOSE), DEPLOY) == []


def test_compose_files_for_further_hosts_have_no_fault() -> None:
    assert faults(read(WORKERS), DEPLOY) == []
    both = laid_over(read(COMPOSE), read(SHARED))
    assert faults(both, DEPLOY) == []
    # What is published must be on a network with a way out.
    for name in ("db", "valkey"):
        assert both["services"][name]["networks"] == ["inside", "between"]
        assert both["services"][name]["ports"]
    both["services"]["db"]["ports"] = ["0.0.0.0:5432:5432"]
    assert faults(both, DEPLOY) == ["db: publishes 0.0.0.0:5432:5432 beyond this machine"]


@pytest.mark.parametrize(
    ("plant", "word"), [row[1:] for row in PLANTED], ids=[r[0] for r in PLANTED]
)
def test_compose_file_with_a_planted_fault_is_refused(
    plant: Callable[[type_document], None], word: str
) -> None:
    document = copy.deepcopy(read(COMPOSE))
    plant(document)
    found = faults(document, DEPLOY)
    assert [fault for fault in found if word in fault] != [], found


@pytest.mark.parametrize("path", [COMPOSE, SHARED, WORKERS], ids=lambda path: path.name)
def test_compose_file_before_the_security_linter_has_no_high_finding(path: Path) -> None:
    linter = Path(sys.executable).with_name("compose-lint")
    done = subprocess.run(
        [linter, "--fail-on", "high", path], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout


def test_env_example_names_exactly_the_variables_of_the_compose_file() -> None:
    import re

    texts = [path.read_text(encoding="utf-8") for path in (COMPOSE, SHARED, WORKERS)]
    asked = set(re.findall(r"\$\{(\w+)", "".join(texts)))
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    offered = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert offered == asked


def test_secrets_folder_is_never_tracked() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "deploy/secrets/postgres_password", "deploy/.env"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert len(ignored.stdout.splitlines()) == 2


# Finds the click command that a line of arguments reaches, and says which options it lacks.
RESOLVE = """
import json, sys
import click
from dagster._cli import create_dagster_cli
from dagster._daemon.cli import create_dagster_daemon_cli
from celery.bin.celery import celery
from dagster_webserver.cli import dagster_webserver

roots = {
    "celery": celery,
    "dagster": create_dagster_cli(),
    "dagster-daemon": create_dagster_daemon_cli(),
    "dagster-webserver": dagster_webserver,
}
unknown = []

def options_of(command):
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}

for line in json.load(sys.stdin):
    command, rest = roots[line[0]], line[1:]
    while isinstance(command, click.Group):
        while rest[0].startswith("-"):  # options of the group stand before the command
            unknown += [[line[0], rest[0]]] if rest[0] not in options_of(command) else []
            rest = rest[2:]
        command = command.commands.get(rest[0])
        if command is None:
            break
        rest = rest[1:]
    if command is None:
        unknown.append(line)
        continue
    options = options_of(command)
    unknown += [[*line[:1], word] for word in rest if word.startswith("-") and word not in options]
print(json.dumps(unknown))
"""


def commands() -> list[list[str]]:
    """Return every command line that the files start in the image of Candela."""
    lines: list[list[str]] = []
    services = [*read(COMPOSE)["services"].values(), *read(WORKERS)["services"].values()]
    for one in services:
        if str(one["image"]).startswith("candela:"):
            lines.append([str(word) for word in one["command"]])
            if "healthcheck" in one:
                words = [str(word) for word in one["healthcheck"]["test"][1:]]
                lines.append(words[2:] if words[:2] == ENTRYPOINT else words)
    return [line[2].split() if line[:2] == ["sh", "-c"] else line for line in lines]


PLANTED_COMMANDS = [
    ["dagster", "gone"],
    ["dagster-webserver", "--gone"],
    ["celery", "--gone", "x", "worker"],
    ["celery", "--app", "x", "worker", "--lost"],
]


def test_command_of_a_service_always_exists_with_its_options() -> None:
    lines = [line for line in commands() if line[0].startswith(("dagster", "celery"))]
    assert len(lines) == 5 + 6
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        input=json.dumps([*lines, *PLANTED_COMMANDS]),
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == [
        ["dagster", "gone"],
        ["dagster-webserver", "--gone"],
        ["celery", "--gone"],
        ["celery", "--lost"],
    ]


def test_health_check_that_needs_the_secrets_always_goes_through_the_entrypoint() -> None:
    # The engine runs a check beside the process, without what its entrypoint has exported.
    services = read(COMPOSE)["services"] | read(WORKERS)["services"]
    checks = {
        name: [str(word) for word in one["healthcheck"]["test"][1:]]
        for name, one in services.items()
        if "healthcheck" in one and str(one["image"]).startswith("candela:")
    }
    bare = [
        name
        for name, words in checks.items()
        if words[:2] != ENTRYPOINT and not {"grpc-health-check", "python"} & set(words)
    ]
    assert bare == []
    assert len(checks) == 7


def test_queues_of_the_workers_are_those_that_jobs_name() -> None:
    from pipelines.definitions import defs
    from pipelines.defs.backtests.requested import QUEUE_TAG

    celery = yaml.safe_load((DEPLOY / "dagster-celery.yaml").read_text(encoding="utf-8"))
    named = {celery["run_launcher"]["config"]["default_queue"]}
    named |= {
        job.tags[QUEUE_TAG]
        for job in defs.get_repository_def().get_all_jobs()
        if QUEUE_TAG in job.tags
    }
    served = {line[line.index("--queues") + 1] for line in commands() if "--queues" in line}
    assert served == named == {"ingest", "backtests"}


def test_dagster_on_several_hosts_differs_in_launcher_and_limits_only() -> None:
    one = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    many = yaml.safe_load((DEPLOY / "dagster-celery.yaml").read_text(encoding="utf-8"))
    assert many.pop("run_launcher")["class"] == "CeleryRunLauncher"
    one.pop("run_launcher")
    for keys in (
        ("concurrency", "runs", "max_concurrent_runs"),
        ("concurrency", "pools", "default_limit"),
        ("run_monitoring", "start_timeout_seconds"),
    ):
        values: list[int] = []
        for document in (one, many):
            *path, last = keys
            part = document
            for key in path:
                part = part[key]
            values.append(part.pop(last))
        assert values[0] < values[1], keys
    assert one == many


def test_dagster_on_several_hosts_can_be_loaded_with_its_launcher(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "dagster-celery.yaml", tmp_path / "dagster.yaml")
    code = (
        "from dagster._core.instance.ref import InstanceRef\n"
        f"ref = InstanceRef.from_dir({str(tmp_path)!r})\n"
        "launcher = ref.run_launcher\n"
        "print(type(launcher).__name__, launcher.default_queue, launcher.celery.conf.broker_url)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/1",
            "CELERY_RESULT_BACKEND": "db+postgresql+psycopg2://127.0.0.1:1/nowhere",
            "DAGSTER_STORAGE_URL": "postgresql+psycopg2://127.0.0.1:1/nowhere",
            "DAGSTER_COMPUTE_LOGS": str(tmp_path),
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.stdout == "CeleryRunLauncher ingest redis://127.0.0.1:1/1\n", done.stderr


def test_command_of_a_service_is_always_a_program_of_the_image() -> None:
    programs = {line[0] for line in commands()}
    missing = [name for name in programs if not Path(sys.executable).with_name(name).exists()]
    assert missing == []


def test_workspace_names_the_code_service_and_its_port() -> None:
    place = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    server = place["load_from"][0]["grpc_server"]
    code = read(COMPOSE)["services"][server["host"]]
    assert str(server["port"]) in code["command"]
