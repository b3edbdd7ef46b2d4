"""The interactive documentation: files of our own, and a policy that lets nothing else in."""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from api.documentation import _VENDOR
from api.state import ApiOptions

if TYPE_CHECKING:
    from tests.fixtures.api import Api

# Of swagger-ui-dist 5.35.0 of the npm registry; the style sheet without its source map.
FILES = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10",
}


@pytest.mark.parametrize("name", FILES)
def test_vendored_file_always_is_the_one_that_was_taken(name: str) -> None:
    kept = _VENDOR / f"{name}.gz"
    content = gzip.decompress(kept.read_bytes()) if kept.exists() else (_VENDOR / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == FILES[name]
    assert "Apache License" in (_VENDOR / "LICENSE").read_text(encoding="utf-8")


def test_page_of_documentation_always_loads_from_its_own_origin_alone(api: Api) -> None:
    page = api.client.get("/api/v1/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    loaded = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for path in loaded:
        assert path.startswith("/api/v1/")
        assert api.client.get(path).status_code == 200, path


def test_documentation_in_production_is_not_served() -> None:
    app = create_app(ApiOptions(is_production=True), lambda: None)  # pyright: ignore[reportArgumentType] - never run
    paths = {getattr(route, "path", "") for route in app.routes}
    assert [path for path in paths if "/docs" in path] == []
