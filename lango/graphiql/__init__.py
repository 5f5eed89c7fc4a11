"""GraphiQL, served by the gateway itself under a strict Content-Security-Policy."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent
DIST = HERE / "dist"

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

FIRST_QUERY = """\
# Ctrl-Enter runs the query.
# A token goes into Headers, below.
{
  __schema {
    queryType {
      fields {
        name
        description
      }
    }
  }
}
"""


def is_built() -> bool:
    """Whether the files were made; see `build.py`."""
    return (DIST / "main.js").is_file()


def page(endpoint: str, assets: str, query: str = FIRST_QUERY) -> bytes:
    """The page's HTML, or a page that says how to get the files."""
    name = "index.html" if is_built() else "missing.html"
    template = Template((HERE / "page" / name).read_text(encoding="utf-8"))
    values = {"endpoint": endpoint, "assets": assets, "query": query}
    return template.substitute({key: escape(value) for key, value in values.items()}).encode()


class Assets(StaticFiles):
    """The bundled files. The folder need not be there: it may be built while the gateway runs."""

    def __init__(self) -> None:
        super().__init__(directory=DIST, check_dir=False)

    async def check_config(self) -> None:
        return None
