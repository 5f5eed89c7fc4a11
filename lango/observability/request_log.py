"""What is known of a request, for its line in the log and for the metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID, uuid4

# The status that nginx made customary for a client that went away; it is never sent, only logged and counted.
CLIENT_CLOSED = 499


@dataclass(slots=True)
class ApiCall:
    """A request by an API key, of which there will be a row."""

    user_id: UUID
    api_key_id: UUID
    id: UUID = field(default_factory=uuid4)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    operation: str = "graphql"
    # The API calls that it was counted as, and when the month ends in which.
    of_plan: int = 0
    of_bonus: int = 0
    resets_at: datetime | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None

    @property
    def cost(self) -> int:
        return self.of_plan + self.of_bonus


@dataclass(slots=True, kw_only=True)
class RequestLog:
    """Begun when a request arrives; whoever learns something of it adds that. Holds no token, variable or literal."""

    request_id: str
    client: IPv4Address | IPv6Address | None
    user_agent: str | None
    # From which country it comes, by two letters; None where that is not known.
    country: str | None = None
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
    # What is to be written down of a request by an API key; and what an answer says of its owner's plan.
    call: ApiCall | None = None
    usage_warning: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started
