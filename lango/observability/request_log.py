"""One HTTP request and its answer, as the log line and the metrics tell of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from starlette.types import Scope

from lango.actor import REQUEST_ID
from lango.http.headers import RequestHeaders
from lango.http.proxies import Address, Networks, client_address, parsed

KEY = "lango.observability.request_log"
# The status that nginx made customary for a client that went away; it is never sent, only logged and counted.
CLIENT_CLOSED = 499


@dataclass(slots=True)
class Exchange:
    """What is known of a request; the endpoint adds what it learns. Holds no token, variable or literal."""

    request_id: str
    peer: Address | None
    client: Address | None
    headers: RequestHeaders
    # What is logged in the place of the path, where that may hold a secret.
    path: str | None = None
    started: float = field(default_factory=time.perf_counter)
    status: int = CLIENT_CLOSED
    operation: str = "none"
    operation_name: str | None = None
    document: str | None = None
    cost: int | None = None
    user_id: UUID | None = None
    codes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


def open_exchange(scope: Scope, trusted: Networks) -> Exchange:
    """The exchange of a request that has just arrived: its id, taken over where it is well formed, and its client."""
    headers = RequestHeaders(scope)
    given = headers.get("x-request-id", "")
    request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
    peer = parsed(scope["client"][0]) if scope.get("client") else None
    return Exchange(request_id, peer, client_address(peer, headers.getlist("x-forwarded-for"), trusted), headers)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that the middleware opened for this request."""
    found = scope[KEY]
    assert isinstance(found, Exchange)
    return found
