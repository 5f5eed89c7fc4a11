"""GraphiQL, served by the gateway itself under a strict Content-Security-Policy."""

from __future__ import annotations

import json
import os
import re
from html import escape
from pathlib import Path
from string import Template

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from lango.http.responses import takes_coding

HERE = Path(__file__).parent
DIST = HERE / "dist"
# Which file of `dist/` each bundle is, as `build.py` wrote it; only what has a digest in its name is served.
NAMES = "names.json"
HAS_DIGEST = re.compile(r"[\w.-]+-[A-Z0-9]{8}\.(?:js|css|ttf|woff2)(?:\.LEGAL\.txt)?")
# The best first.
CODINGS = {"br": ".br", "gzip": ".gz"}
WORKERS = ("editor", "json", "graphql")

# Monaco writes style elements and needs workers and an icon font; scripts come from this origin alone, none inline.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

# With what a first visit opens, as README has it.
FIRST_QUERY = (HERE / "first.graphql").read_text(encoding="utf-8")


def names() -> dict[str, str] | None:
    """The file of each bundle; None where they were not made, see `build.py`."""
    try:
        return dict(json.loads((DIST / NAMES).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def page(endpoint: str, assets: str, *, demo_callers: str | None = None) -> bytes:
    """The page's HTML, or a page that says how to get the files. `demo_callers` is where the demo's people are."""
    built = names()
    values = {"endpoint": endpoint}
    if built is not None:
        values |= {
            "script": f"{assets}/{built['main.js']}",
            "style": f"{assets}/{built['main.css']}",
            "workers": json.dumps({name: f"{assets}/{built[f'{name}.worker.js']}" for name in WORKERS}),
            "query": FIRST_QUERY,
            "demo": demo_callers or "",
        }
    template = Template((HERE / "page" / ("missing.html" if built is None else "index.html")).read_text("utf-8"))
    return template.substitute({key: escape(value) for key, value in values.items()}).encode()


class Assets(StaticFiles):
    """The bundled files, compressed as far as the client takes that. Each has a digest in its name, so a browser keeps
    it for good. The folder need not be there: it may be built while the gateway runs."""

    def __init__(self) -> None:
        super().__init__(directory=DIST, check_dir=False)

    async def check_config(self) -> None:
        return None

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not HAS_DIGEST.fullmatch(path):
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        accepted = Headers(scope=scope).get("accept-encoding", "")
        more = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}
        for coding, suffix in CODINGS.items():
            compressed = Path(f"{full_path}{suffix}")
            if takes_coding(accepted, coding) and compressed.is_file():
                full_path, stat_result = compressed, compressed.stat()
                more["content-encoding"] = coding
                break
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(more)
        return response
