"""deploy/Dockerfile and what runs in its image: locked, unprivileged, quiet about secrets."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from candela.vault.masterkeys import master_keys_from_text
from tests.architecture.tree import ROOT
from tests.deploy.compose_rules import read

DEPLOY = ROOT / "deploy"
PASSWORD = "a1" * 32
NO_CONFIGURATION = 78  # EX_CONFIG of sysexits


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_image_always_ends_as_an_unprivileged_user() -> None:
    last = [rest for word, rest in instructions() if word in {"FROM", "USER"}][-1]
    assert last == "10001:10001"
    assert read(DEPLOY / "compose.yml")["services"]["code"]["user"] == last


def test_image_installs_nothing_without_a_hash() -> None:
    steps = [
        step.strip()
        for word, rest in instructions()
        if word == "RUN"
        for step in rest.split("&&")
        if re.search(r"pip (install|sync)", step)
    ]
    assert len(steps) == 3
    loose = [step for step in steps if "--require-hashes" not in step]
    assert len(loose) == 1
    assert "--offline --no-deps --no-build-isolation" in loose[0]


def test_image_copies_only_what_exists_and_is_let_in() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for word, rest in instructions():
        assert word != "ADD"
        if word != "COPY" or rest.startswith("--from"):
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            parents = {str(parent) for parent in Path(source).parents}
            assert {source, *parents} & let_in, source


def test_image_holds_every_room_that_is_installed() -> None:
    copied = {
        rest.split()[0]
        for word, rest in instructions()
        if word == "COPY" and len(rest.split()) == 2
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert [name for name in packages if name.removesuffix("*") not in copied] == []


def test_image_keeps_compiled_kernels_where_it_may_write() -> None:
    (environment,) = [rest for word, rest in instructions() if word == "ENV" and "NUMBA" in rest]
    folder = re.search(r"NUMBA_CACHE_DIR=(\S+)", environment)
    assert folder is not None
    mounts = [
        str(one).partition(":")[2]
        for one in read(DEPLOY / "compose.yml")["services"]["code"]["volumes"]
    ]
    assert [mount for mount in mounts if folder[1].startswith(f"{mount}/")] == mounts


def test_image_and_entrypoint_set_every_variable_that_dagster_yaml_asks_for() -> None:
    places = (ROOT / "dagster.yaml", DEPLOY / "dagster-celery.yaml")
    text = "".join(path.read_text(encoding="utf-8") for path in places)
    asked = set(re.findall(r"env: (\w+)", text))
    given = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    given += (DEPLOY / "entrypoint").read_text(encoding="utf-8")
    assert [name for name in asked if not re.search(rf"\b{name}=", given)] == []
    assert asked


def run_entrypoint(folder: Path, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_LOGIN": "candela_pipelines",
        "DATABASE_PASSWORD_FILE": str(folder / "pipelines_password"),
        "VALKEY_PASSWORD_FILE": str(folder / "valkey_password"),
    }
    return subprocess.run(
        ["sh", DEPLOY / "entrypoint", *command],
        env=environment | changes,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name in ("pipelines_password", "valkey_password"):
        (tmp_path / name).write_text(PASSWORD, encoding="utf-8")
    return tmp_path


def test_entrypoint_with_secrets_gives_settings_that_production_takes(secrets: Path) -> None:
    code = "from candela.settings import load_settings as l; s = l(); print(s.is_embedded, repr(s))"
    done = run_entrypoint(
        secrets,
        "python",
        "-c",
        code,
        CANDELA_ENVIRONMENT="production",
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("False ")
    assert PASSWORD not in done.stdout


def test_entrypoint_with_secrets_writes_each_password_into_its_own_url(secrets: Path) -> None:
    (secrets / "valkey_password").write_text("b2" * 32, encoding="utf-8")
    done = run_entrypoint(secrets, "env")
    settings = dict(line.split("=", 1) for line in done.stdout.splitlines())
    server = f"candela_pipelines:{PASSWORD}@db:5432"
    assert settings["CANDELA_DATABASE_URL"] == f"postgresql://{server}/candela"
    dagster = settings["DAGSTER_STORAGE_URL"]
    assert dagster == f"postgresql+psycopg2://{server}/candela_dagster"
    assert settings["CANDELA_REDIS_URL"] == f"redis://:{'b2' * 32}@valkey:6379/0"
    assert settings["CELERY_BROKER_URL"] == f"redis://:{'b2' * 32}@valkey:6379/1"
    assert settings["CELERY_RESULT_BACKEND"] == f"db+{dagster}"
    assert "password" not in settings


@pytest.mark.parametrize("name", ["pipelines_password", "valkey_password"])
@pytest.mark.parametrize(
    ("text", "word"),
    [(None, "missing"), ("", "shorter"), ("hunter2", "shorter"), ("p@ss:word/" * 4, "letters")],
)
def test_entrypoint_without_a_usable_secret_refuses_to_start(
    secrets: Path, name: str, text: str | None, word: str
) -> None:
    if text is None:
        (secrets / name).unlink()
    else:
        (secrets / name).write_text(text, encoding="utf-8")
    done = run_entrypoint(secrets, "echo", "started")
    assert done.returncode == NO_CONFIGURATION
    assert done.stdout == ""
    assert name in done.stderr
    assert word in done.stderr
    assert not text or text not in done.stderr


def test_entrypoint_without_a_login_only_becomes_the_command(tmp_path: Path) -> None:
    done = run_entrypoint(tmp_path, "echo", "two words", DATABASE_LOGIN="")
    assert (done.returncode, done.stdout) == (0, "two words\n")


def test_make_secrets_when_run_twice_keeps_what_it_made(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    made: list[dict[str, str]] = []
    for _ in range(2):
        subprocess.run(["sh", tmp_path / "make-secrets"], check=True, capture_output=True)
        files = sorted((tmp_path / "secrets").iterdir())
        made.append({file.name: file.read_text(encoding="utf-8") for file in files})
    assert made[0] == made[1]
    assert set(made[0]) == set(read(DEPLOY / "compose.yml")["secrets"])
    assert len(set(made[0].values())) == len(made[0])
    for name in ("master_keys", "token_keys"):
        keys = made[0].pop(name)
        assert master_keys_from_text(SecretStr(keys)).versions == (1,)
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in made[0].values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
