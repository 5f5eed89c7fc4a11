"""Door: `lango.asgi:app`, for uvicorn and its workers."""

from __future__ import annotations

from gql.schema import schema
from lango.app import create_app
from lango.logs import configure
from lango.migrate import behind
from lango.settings import settings
from resolvers.audit import staff_read

configure(settings())
app = create_app(schema, settings(), check=behind, witness=staff_read)
