"""Webhooks: what a provider declares of each, what its handler gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Generic, Self, TypeVar

import orjson
from starlette.datastructures import Headers

from lango.settings import Settings

Payload = TypeVar("Payload")

# What is still to be done about a stored event. A job must make sure of it: it is cut off when the time is over.
Finish = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What came to a webhook's address, before anybody knows who sent it."""

    # As the log has it.
    id: str
    path: str
    # Of the path: `{secret}` in `/webhooks/mpesa/{secret}`.
    parameters: Mapping[str, str]
    query: str
    headers: Headers
    # Who sent it, past the proxies that are trusted; None on a socket.
    address: IPv4Address | IPv6Address | None
    # As it was sent: that is what a signature covers.
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery(Generic[Payload]):
    """A verified request, and its body as the webhook reads it."""

    payload: Payload
    request: WebhookRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the provider's own form."""

    body: bytes = b"{}"
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        return cls(orjson.dumps(content), status, headers=headers or {})


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler has made of a delivery: it has stored it, or decided it."""

    # None for the one that the webhook always gives.
    reply: Reply | None = None
    finish: Finish | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Webhook(Generic[Payload]):
    """An address to which a provider posts. Its handler is a function of the rules: `lango.rules.handlers.handles`."""

    path: str
    # Whether the provider has sent this: by a signature, a secret in the path, an address. What it raises is a no.
    verify: Callable[[Settings, WebhookRequest], bool]
    # Reads a verified body. Raises BadPayload.
    read: Callable[[bytes], Payload]
    # The answer where the handler computes none.
    accepted: Reply = field(default_factory=Reply)
    # Seconds in which the provider wants an answer, less what the way takes.
    within: float = 4.0
    # The answer to GET, by which some providers try the address once; None where it is not theirs.
    handshake: Callable[[Settings, WebhookRequest], Reply | None] | None = None
