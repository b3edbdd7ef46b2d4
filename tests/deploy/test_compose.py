"""deploy/compose.yml starts what exists, with the least rights, and never on known secrets."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT
from tests.deploy.compose_rules import faults, read

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yml"

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
    ("bad duration", service("db", stop_grace_period="soon"), "compose file"),
]


def test_compose_file_as_it_stands_has_no_fault() -> None:
    assert faults(read(COMPOSE), DEPLOY) == []


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


def test_compose_file_before_the_security_linter_has_no_high_finding() -> None:
    linter = Path(sys.executable).with_name("compose-lint")
    done = subprocess.run(
        [linter, "--fail-on", "high", COMPOSE], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout


def test_env_example_names_exactly_the_variables_of_the_compose_file() -> None:
    import re

    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
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
from dagster_webserver.cli import dagster_webserver

roots = {
    "dagster": create_dagster_cli(),
    "dagster-daemon": create_dagster_daemon_cli(),
    "dagster-webserver": dagster_webserver,
}
unknown = []
for line in json.load(sys.stdin):
    command, rest = roots[line[0]], line[1:]
    while isinstance(command, click.Group):
        command = command.commands.get(rest[0])
        if command is None:
            break
        rest = rest[1:]
    if command is None:
        unknown.append(line)
        continue
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    unknown += [[*line[:1], word] for word in rest if word.startswith("-") and word not in options]
print(json.dumps(unknown))
"""


def commands() -> list[list[str]]:
    """Return every command line that the file starts in the image of Candela."""
    lines: list[list[str]] = []
    for one in read(COMPOSE)["services"].values():
        if str(one["image"]).startswith("candela:"):
            lines.append([str(word) for word in one["command"]])
            if "healthcheck" in one:
                lines.append([str(word) for word in one["healthcheck"]["test"][1:]])
    return lines


def test_command_of_a_service_always_exists_with_its_options() -> None:
    lines = [line for line in commands() if line[0].startswith("dagster")]
    assert len(lines) == 5
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        input=json.dumps([*lines, ["dagster", "gone"], ["dagster-webserver", "--gone"]]),
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == [["dagster", "gone"], ["dagster-webserver", "--gone"]]


def test_command_of_a_service_is_always_a_program_of_the_image() -> None:
    programs = {line[0] for line in commands()}
    missing = [name for name in programs if not Path(sys.executable).with_name(name).exists()]
    assert missing == []


def test_workspace_names_the_code_service_and_its_port() -> None:
    place = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    server = place["load_from"][0]["grpc_server"]
    code = read(COMPOSE)["services"][server["host"]]
    assert str(server["port"]) in code["command"]
