"""The application: its routes, its middleware, and what lives as long as it does."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import strawberry
from sqlalchemy import URL
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.kit.planner.answers import QueryPlanner
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.postgres import secure_url
from lango.events.hub import Hub
from lango.graphql.documents import Documents, Prepared
from lango.http import cookies, graphiql, payment_return, published_keys
from lango.http.connections import Connections
from lango.http.endpoint import GraphQLEndpoint, origins
from lango.http.health import NOT_FOUND, Health
from lango.http.middleware import RequestLogMiddleware
from lango.http.negotiation import PREFLIGHT_HEADERS
from lango.http.operations import Operations
from lango.http.protocols import BoundedProtocol, BoundedSocket
from lango.http.proxies import Networks
from lango.http.streaming.subscriptions import Subscriptions
from lango.http.streaming.websocket import Sockets
from lango.http.webhooks import Inbox
from lango.jobs.gauges import Gauges
from lango.jobs.supervision import bound_to_supervisor
from lango.libraries.strawberry import graphql_of
from lango.observability.metrics import Metrics
from lango.providers.registry import PROVIDERS
from lango.rules.handlers import Handler
from lango.rules.services import Services, make_services
from lango.security.account_status import Callers
from lango.security.api_calls import Meter
from lango.security.authentication import Authenticator
from lango.settings import Settings

ENDPOINT = "/graphql"
ASSETS = "/graphql/assets"
EXPOSED_HEADERS = ("X-Request-Id", "Retry-After", "RateLimit-Policy", "RateLimit", "WWW-Authenticate")


class NoDatabase(RuntimeError):
    """No database is configured."""


def create_app(
    schema: strawberry.Schema,
    settings: Settings,
    pipeline: Pipeline | None = None,
    *,
    authenticator: Authenticator | None = None,
    services: Services | None = None,
    handlers: Sequence[Handler[Any]] = (),
    audits_reads: bool = True,
) -> Gateway:
    """The gateway over that schema. A pipeline that is given stays its owner's; otherwise one is made from the
    settings and closed at the end. `services` that are given stay their owner's, too; rules and `handlers` use
    them: the webhooks that these take in are served. `audits_reads`: the rows that staff are shown are written down.

    Raises NoDatabase, BadProvider, and NoSigningKey where the settings name no key for tokens.
    """
    metrics = Metrics()
    own_pipeline = pipeline is None
    if pipeline is None:
        if settings.database_url is None:
            raise NoDatabase("Set DATABASE_URL, or start with `lango dev`, which brings a database.")
        pipeline = make_pipeline(settings.database_url.get_secret_value(), settings)
    pipeline.metrics = metrics
    own_services = services is None
    if services is None:
        services = make_services(settings, pipeline)
    authenticator = authenticator or Authenticator(settings)
    health = Health(pipeline, settings, metrics, gauges=Gauges(services))
    schema = with_prepared_documents(schema)
    meter = Meter(pipeline)
    planner = None
    if settings.planner == "on":
        planner = QueryPlanner(graphql_of(schema), settings, metrics, audits_reads=audits_reads)
    operations = Operations(
        schema,
        settings,
        documents=Documents(schema, settings, metrics),
        pipeline=pipeline,
        planner=planner,
        audits_reads=audits_reads,
        services=services,
        metrics=metrics,
    )
    operations.services = replace(services, permissions=operations.admission.permissions.known)
    callers = Callers(authenticator, pipeline, settings.execution_timeout)
    connections = Connections(callers, settings)
    hub = Hub(direct_url(settings, pipeline), settings, pipeline, metrics)
    subscriptions = Subscriptions(operations, callers, hub, metrics)
    endpoint = GraphQLEndpoint(
        operations, subscriptions, connections, settings, metrics, callers=callers, assets=ASSETS
    )
    sockets = Sockets(
        operations, subscriptions, connections, settings, metrics, allowed_origins=endpoint.allowed_origins, meter=meter
    )
    health.when_stopping.append(lambda: connections.end_all("The gateway is stopping."))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with health.stop_signal():
            async with bound_to_supervisor():
                ahead = asyncio.create_task(operations.introspect_ahead())
                yield
        ahead.cancel()
        connections.end_all("The gateway is stopping.")
        hub.close()
        await meter.close()
        if own_services:
            await services.close()
        await authenticator.close()
        if own_pipeline:
            pipeline.close()
        metrics.close()

    trusted = Networks(settings.trusted_proxies)
    routes: list[BaseRoute] = [
        Route(ENDPOINT, endpoint),
        WebSocketRoute(ENDPOINT, sockets),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics_page),
        published_keys.route(authenticator.keys),
        Route(payment_return.PATH, payment_return.came_back),
        *(Inbox(handler, services, metrics).route() for handler in handlers),
        *(route for provider in PROVIDERS for route in provider.routes(settings)),
    ]
    if settings.graphiql:
        routes.insert(1, Mount(ASSETS, graphiql.Assets()))
    app = Gateway(
        routes=routes,
        middleware=[
            Middleware(
                RequestLogMiddleware,
                metrics=metrics,
                trusted=trusted,
                hosts=endpoint.hosts,
                meter=meter,
                country_header=settings.country_header,
            ),
            *cors(settings),
        ],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )
    app.direct = RequestLogMiddleware(
        surrounded(endpoint, settings), metrics, trusted, endpoint.hosts, meter, settings.country_header
    )
    app.state.authenticator = authenticator
    app.state.metrics = metrics
    app.state.health = health
    app.state.pipeline = pipeline
    app.state.hub = hub
    app.state.services = services
    app.state.meter = meter
    return app


class Gateway(Starlette):
    """The application. What is asked of the endpoint goes to it directly: on its way through the routes a small query
    would spend a fifth of its time."""

    direct: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ENDPOINT and not scope.get("root_path"):
            scope["app"] = self
            await self.direct(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def surrounded(endpoint: ASGIApp, settings: Settings) -> ASGIApp:
    """The endpoint inside its cross-origin answers, if there are any."""
    for middleware in cors(settings):
        endpoint = middleware.cls(endpoint, *middleware.args, **middleware.kwargs)
    return endpoint


def direct_url(settings: Settings, pipeline: Pipeline) -> URL:
    """Where a connection may keep a lock and listen: past a pooler, if there is one."""
    if settings.database_direct_url is None:
        return pipeline.url
    return secure_url(settings.database_direct_url.get_secret_value(), settings)


def with_prepared_documents(schema: strawberry.Schema) -> strawberry.Schema:
    """A copy of the schema whose executor takes documents that the endpoint has parsed and validated."""
    prepared = copy.copy(schema)
    prepared.extensions = (*schema.extensions, Prepared)
    return prepared


def cors(settings: Settings) -> list[Middleware]:
    """Cross-origin answers for the origins of the settings; none by default."""
    allowed = origins(settings)
    if not allowed:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=("GET", "POST"),
            # Pages of these origins may keep their sessions in cookies; "*" is no origin, and lets none.
            allow_credentials="*" not in allowed,
            allow_headers=(
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-Request-Id",
                cookies.MODE,
                *PREFLIGHT_HEADERS,
            ),
            expose_headers=EXPOSED_HEADERS,
        )
    ]


async def not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"errors": [NOT_FOUND]}, 404)


def server_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn serves the application: `uvicorn.run("lango.asgi:app", **server_options(settings))`.

    Logging, forwarded addresses and the Server header are the gateway's own business.
    """
    return {
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "loop": "uvloop",
        "http": partial(BoundedProtocol, seconds=settings.receive_timeout, send_seconds=settings.send_timeout),
        "ws": partial(BoundedSocket, send_seconds=settings.send_timeout),
        "ws_max_size": settings.max_body_bytes,
        # One event goes to many: compressed, it would be compressed for each of them.
        "ws_per_message_deflate": False,
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": settings.shutdown_timeout,
    }
