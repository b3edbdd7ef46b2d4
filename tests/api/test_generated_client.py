"""The document is a contract: a typed client that a program makes of it does a person's work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import create_app
from api.state import ApiOptions

NAME = "candela_client"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make the client of the document; return its folder and what the generator said."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    app = create_app(ApiOptions(), lambda: None)  # pyright: ignore[reportArgumentType] - never run
    document.write_text(json.dumps(app.openapi()), encoding="utf-8")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("openapi-python-client")), "generate"),
            *("--path", str(document), "--output-path", str(folder / NAME), "--meta", "none"),
        ],
        capture_output=True,
        check=False,
        text=True,
        # The generator formats what it wrote with the ruff of the same environment.
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_document_always_is_understood_whole_by_the_generator(made: tuple[Path, str]) -> None:
    assert "WARNING" not in made[1], made[1]
