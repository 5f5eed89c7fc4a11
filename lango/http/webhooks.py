"""The inbox for what providers report: verified, handled, answered. It knows the webhooks, and no provider."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lango.http.negotiation import BadRequest, HttpError
from lango.http.parameters import ClientDisconnected, read_body
from lango.http.request_log import request_log_of
from lango.observability.metrics import Metrics
from lango.providers.payloads import BadPayload
from lango.providers.webhook import Delivery, Finish, Handled, Reply, WebhookRequest
from lango.rules.handlers import Handler
from lango.rules.services import Services

log = structlog.get_logger("lango.http.webhooks")


class NotVerified(HttpError):
    """The signature of this webhook is missing, wrong or too old."""

    code = "NOT_VERIFIED"
    status = 401


class OnlyPost(HttpError):
    """Webhooks are taken by POST."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    headers: ClassVar[dict[str, str]] = {"allow": "POST"}


class OnlyGetAndPost(OnlyPost):
    """Webhooks are taken by POST; this one may be tried by GET."""

    headers: ClassVar[dict[str, str]] = {"allow": "GET, POST"}


class NotStored(HttpError):
    """The event could not be stored: send it again."""

    code = "SERVICE_UNAVAILABLE"
    status = 503
    headers: ClassVar[dict[str, str]] = {"retry-after": "5"}


OUTCOMES: dict[type[HttpError], str] = {
    NotVerified: "not_verified",
    NotStored: "not_stored",
}


class Inbox:
    """The ASGI application at a webhook's address."""

    def __init__(self, handler: Handler[Any], services: Services, metrics: Metrics) -> None:
        self.handler = handler
        self.webhook = handler.webhook
        self.services = services
        self.metrics = metrics
        self.largest = services.settings.max_body_bytes

    def route(self) -> Route:
        return Route(self.webhook.path, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What stands for a parameter may be a secret.
        request_log_of(scope).path = self.webhook.path
        try:
            outcome, reply = await self.take(Request(scope, receive))
        except ClientDisconnected:
            return
        except HttpError as error:
            outcome = OUTCOMES.get(type(error), "malformed")
            shown = {"message": error.message, "extensions": {"code": error.code}}
            reply = Reply.json({"errors": [shown]}, error.status, error.headers)
        self.metrics.webhook(self.webhook.path, outcome)
        await response_of(reply)(scope, receive, send)

    async def take(self, request: Request) -> tuple[str, Reply]:
        """Verify, handle, and finish as far as there is time; gives what came of it and the reply. Raises HttpError."""
        began = time.monotonic()
        if request.method == "GET" and self.webhook.handshake is not None:
            return "handshake", self.shake_hands(request)
        if request.method != "POST":
            raise OnlyPost if self.webhook.handshake is None else OnlyGetAndPost
        body = await read_body(request.receive, request.headers.get("content-length"), self.largest)
        incoming = request_of(request, body)
        if not self.verify(incoming):
            raise NotVerified
        handled = await self.handle(incoming)
        outcome = "accepted"
        if handled.finish is not None:
            outcome = await self.finish(incoming, handled.finish, self.webhook.within - (time.monotonic() - began))
        return outcome, handled.reply or self.webhook.accepted

    def shake_hands(self, request: Request) -> Reply:
        assert self.webhook.handshake is not None
        reply = self.webhook.handshake(self.services.settings, request_of(request, b""))
        if reply is None:
            raise NotVerified
        return reply

    def verify(self, request: WebhookRequest) -> bool:
        try:
            return self.webhook.verify(self.services.settings, request)
        except Exception as error:
            # Libraries raise this and that over a signature that is none: answered 500, it would be sent again.
            self.log("webhook not verified", request, error)
            return False

    async def handle(self, request: WebhookRequest) -> Handled:
        try:
            payload = self.webhook.read(request.body)
        except BadPayload as error:
            raise BadRequest(str(error)) from None
        try:
            async with asyncio.timeout(self.webhook.within):
                return await self.handler(self.services, Delivery(payload, request))
        except Exception as error:
            self.log("webhook not stored", request, error)
            raise NotStored from None

    async def finish(self, request: WebhookRequest, finish: Finish, seconds: float) -> str:
        """Do what is left. An error is only logged: the event is stored, and its job will do the same again."""
        try:
            async with asyncio.timeout(seconds):
                await finish()
        except Exception as error:
            self.log("webhook left to its job", request, error)
            return "deferred"
        return "accepted"

    def log(self, event: str, request: WebhookRequest, error: Exception) -> None:
        """The log line, without what the event holds."""
        log.error(event, webhook=self.webhook.path, request_id=request.id, exc_info=error)


def request_of(request: Request, body: bytes) -> WebhookRequest:
    request_log = request_log_of(request.scope)
    return WebhookRequest(
        id=request_log.request_id,
        path=request.url.path,
        parameters=request.path_params,
        query=request.url.query,
        headers=request.headers,
        address=request_log.client,
        body=body,
    )


def response_of(reply: Reply) -> Response:
    headers = {"cache-control": "no-store", **reply.headers}
    return Response(reply.body, reply.status, headers, reply.media_type)
