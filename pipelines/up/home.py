"""Dagster's home folder: its configuration, and the instance that it describes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candela.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator

    import dagster as dg

__all__ = ["Home", "open_home", "project_folder"]

_CONFIG: Final = "dagster.yaml"


class NoProject(ConfigError):
    """The files that belong beside the packages are not there."""

    code = "no_project"


def project_folder() -> Path:
    """Return the folder that holds dagster.yaml, sql/ and data/: the one beside this package.

    Raises
    ------
    NoProject
        The package was installed without it.
    """
    folder = Path(__file__).parents[2]
    if not (folder / _CONFIG).is_file():
        message = f"{folder} holds no {_CONFIG}."
        raise NoProject(message, "Install the project from its folder: pip install --editable .")
    return folder


@dataclass(frozen=True, slots=True)
class Home:
    """Dagster's folder below the state folder, and the address of its storage."""

    path: Path
    storage_url: str

    @property
    def logs(self) -> Path:
        """What runs print."""
        return self.path / "logs"

    def variables(self) -> dict[str, str]:
        """Return what Dagster's own processes must find in their environment."""
        return {
            "DAGSTER_HOME": str(self.path),
            "DAGSTER_STORAGE_URL": self.storage_url,
            "DAGSTER_COMPUTE_LOGS": str(self.logs),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }

    @contextmanager
    def instance(self) -> Generator[dg.DagsterInstance]:
        """Yield the instance, for work in this process: nothing of it is written into a log file.

        Capturing what a step prints would start two processes a step, and hide the progress.
        """
        import dagster as dg
        from dagster._core.instance.ref import InstanceRef

        ref = InstanceRef.from_dir(
            str(self.path),
            overrides={
                "storage": {"postgres": {"postgres_url": self.storage_url}},
                "compute_logs": {
                    "module": "dagster._core.storage.noop_compute_log_manager",
                    "class": "NoOpComputeLogManager",
                    "config": {},
                },
                "local_artifact_storage": {
                    "module": "dagster._core.storage.root",
                    "class": "LocalArtifactStorage",
                    "config": {"base_dir": str(self.path)},
                },
            },
        )
        with dg.DagsterInstance.from_ref(ref) as instance:
            yield instance


def open_home(state_dir: Path, storage_url: str) -> Home:
    """Make the folder where it is missing, and bring its configuration up to the project's."""
    path = state_dir / "dagster"
    (path / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = (project_folder() / _CONFIG).read_text("utf-8")
    config = path / _CONFIG
    if not config.is_file() or config.read_text("utf-8") != wanted:
        draft = path / f".{_CONFIG}.draft"
        draft.write_text(wanted, "utf-8")
        draft.replace(config)
    return Home(path, storage_url)
