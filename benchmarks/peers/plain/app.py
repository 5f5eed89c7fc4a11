"""The application: `uvicorn benchmarks.peers.plain.app:app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.plain.reading import Reading
from benchmarks.peers.plain.schema import schema
from lango.db.pipeline import make_pipeline
from lango.http.proxies import Networks
from lango.http.request_log import open_request_log
from lango.rules.services import make_services
from lango.security.account_status import Callers
from lango.security.authentication import Authenticator
from lango.settings import settings

current = settings()
assert current.database_url is not None
address = make_url(current.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
engine = create_async_engine(address, pool_size=current.pool_size, max_overflow=0)
# Runs lango's rules, and looks at callers' accounts and roles, as it does for lango.
pipeline = make_pipeline(current.database_url.get_secret_value(), current)
services = make_services(current, pipeline)
callers = Callers(Authenticator(current), pipeline, current.execution_timeout)
nobody = Networks("")


async def graphql(request: Request) -> Response:
    body: dict[str, Any] = orjson.loads(await request.body())
    request_log = open_request_log(request.scope, nobody)
    actor = await callers.actor(request.headers.getlist("authorization"), request_log)
    reading = Reading(engine, services, actor)
    try:
        result = await schema.execute(
            body["query"],
            variable_values=body.get("variables"),
            operation_name=body.get("operationName"),
            context_value=reading,
        )
    finally:
        await reading.close()
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return Response(orjson.dumps(answer), media_type="application/json")


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    yield
    pipeline.close()
    await services.close()
    await engine.dispose()


app = Starlette(routes=[Route("/graphql", graphql, methods=["POST"])], lifespan=lifespan)
