"""What surrounds every request: its id, its headers, its line in the log, and an answer whatever happens inside."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lango.http.allowed_hosts import Hosts, MisdirectedRequest
from lango.http.exchange import KEY, open_exchange
from lango.http.proxies import Networks
from lango.http.responses import internal_error, rejection
from lango.observability.logs import log_error, log_exchange
from lango.observability.metrics import Metrics

refused = MisdirectedRequest()
misdirected = rejection(
    [{"message": refused.message, "extensions": {"code": refused.code}}], status=MisdirectedRequest.status
)
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
DEFAULT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# Asked by whatever name a probe has for this machine; they tell nothing that anybody may not know.
PROBES = ("/healthz", "/readyz")
# Probes, scrapes and GraphiQL's files would drown what people do.
QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/graphql/assets/")


class ExchangeMiddleware:
    """Opens the exchange of each request and closes it with a log line and its metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics, trusted: Networks, hosts: Hosts) -> None:
        self.app = app
        self.hosts = hosts
        self.metrics = metrics
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = scope[KEY] = open_exchange(scope, self.trusted)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                exchange.status = message["status"]
                headers = list(message.get("headers", ()))
                headers += [*SECURITY_HEADERS, (b"x-request-id", exchange.request_id.encode())]
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append(DEFAULT_POLICY)
                message = {**message, "headers": headers}
            await send(message)

        self.metrics.in_flight.inc()
        try:
            if self.hosts.serves(exchange.headers.get("host")) or scope["path"] in PROBES:
                await self.app(scope, receive, send_with_headers)
            else:
                await misdirected(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log_error(error, exchange)
            exchange.codes.append("INTERNAL")
            if started:
                raise
            await internal_error(exchange.request_id)(scope, receive, send_with_headers)
        finally:
            self.metrics.in_flight.dec()
            self.metrics.request(exchange.operation, exchange.status, exchange.seconds, exchange.codes)
            if exchange.status >= 400 or not scope["path"].startswith(QUIET_PATHS):
                log_exchange(exchange, scope["method"], exchange.path or scope["path"])
