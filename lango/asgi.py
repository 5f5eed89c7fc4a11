"""The composition root of the gateway: `lango.asgi:app`, for uvicorn and its workers."""

from __future__ import annotations

import resolvers
from gql.schema import schema
from lango.http.app import create_app
from lango.observability.logs import configure
from lango.providers.registry import PROVIDERS
from lango.rules.handlers import handlers_in
from lango.settings import settings
from lango.startup import settle

configure(settings())
app = create_app(schema, settings(), handlers=handlers_in(resolvers, PROVIDERS))
settle()
