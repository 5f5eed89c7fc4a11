"""The composition root of the gateway: `lango.asgi:app`, for uvicorn and its workers."""

from __future__ import annotations

import gc

import resolvers
from gql.schema import schema
from lango.http.app import create_app
from lango.observability.logs import configure
from lango.providers.registry import PROVIDERS
from lango.rules.handlers import handlers_in
from lango.settings import settings

configure(settings())
app = create_app(schema, settings(), handlers=handlers_in(resolvers, PROVIDERS))
# The schema is some hundred thousand objects that live as long as the process: looking through them again and again
# would hold up every hundredth request for a third of a second.
gc.collect()
gc.freeze()
# What a request makes goes with it, without the collector: looking every 700 objects took a tenth of small requests.
gc.set_threshold(20_000, 50, 50)
