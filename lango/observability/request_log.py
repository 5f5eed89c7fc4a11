"""What is known of a request, for its line in the log and for the metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

# The status that nginx made customary for a client that went away; it is never sent, only logged and counted.
CLIENT_CLOSED = 499


@dataclass(slots=True, kw_only=True)
class RequestLog:
    """Begun when a request arrives; whoever learns something of it adds that. Holds no token, variable or literal."""

    request_id: str
    client: IPv4Address | IPv6Address | None
    user_agent: str | None
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
