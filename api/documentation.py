"""The interactive documentation: Swagger UI from files that ship, under a strict policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

__all__ = ["add_documentation"]

_VENDOR: Final = Path(__file__).parent / "static" / "vendor" / "swagger-ui-5.35.0"
# Its style sheet is a file; what it sets on elements while it runs goes by the object model.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Candela API</title>
<link rel="stylesheet" href="{prefix}/docs/files/swagger-ui.css">
</head>
<body>
<main id="swagger-ui" data-document="{prefix}/openapi.json"></main>
<script src="{prefix}/docs/files/swagger-ui-bundle.js"></script>
<script src="{prefix}/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """"use strict";
const place = document.getElementById("swagger-ui");
window.ui = SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def add_documentation(app: FastAPI, prefix: str) -> None:
    """Serve the documentation at ``docs`` below a prefix; nothing of it comes from elsewhere."""

    async def page(_request: Request) -> Response:
        headers = {"content-security-policy": _POLICY}
        return HTMLResponse(_PAGE.format(prefix=prefix), headers=headers)

    async def start(_request: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    async def bundle(_request: Request) -> Response:
        # Kept as it travels: a third of its size, and every browser opens it.
        return Response(
            (_VENDOR / "swagger-ui-bundle.js.gz").read_bytes(),
            media_type="text/javascript",
            headers={"content-encoding": "gzip", "cache-control": "max-age=86400"},
        )

    app.add_route(f"{prefix}/docs", page, include_in_schema=False)
    app.add_route(f"{prefix}/docs/start.js", start, include_in_schema=False)
    app.add_route(f"{prefix}/docs/files/swagger-ui-bundle.js", bundle, include_in_schema=False)
    app.mount(f"{prefix}/docs/files", StaticFiles(directory=_VENDOR), name="documentation")
