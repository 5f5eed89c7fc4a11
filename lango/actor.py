"""Who is asking: the one value that decides role, context and policies of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID, uuid4

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Role(StrEnum):
    """A role of `identity.users.roles`, as a token claims it and the database confirms it."""

    USER = "user"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"
    PARTNER = "partner"


# What is written into SQL.
KINDS = (("user_id", UUID), ("session_id", UUID), ("ip", (IPv4Address, IPv6Address)))
STAFF_ROLES = frozenset({Role.ADMIN, Role.SUPER_ADMIN})


class DatabaseRole(StrEnum):
    """A PostgreSQL role the gateway may become; no other name is ever written into SQL."""

    ANONYMOUS = "lango_anonymous"
    MEMBER = "lango_member"
    STAFF = "lango_staff"
    RULES = "lango_rules"
    WORKER = "lango_worker"


@dataclass(frozen=True, slots=True)
class ApiKeyUse:
    """The key by which its owner's program calls, and what it may do: never more than its owner."""

    id: UUID
    # As they are written: `read:Pot`, `mutate:*` (lango/security/permissions.py).
    permissions: frozenset[str]
    # Requests of the key in an hour, None without a limit; and of its owner's keys together in a minute.
    hourly: int | None
    per_minute: int


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a request. Without a user id it is nobody; `roles` are only those confirmed by the database."""

    user_id: UUID | None = None
    roles: frozenset[Role] = frozenset()
    session_id: UUID | None = None
    request_id: str = field(default_factory=lambda: str(uuid4()))
    ip: IPv4Address | IPv6Address | None = None
    user_agent: str | None = None
    # What the token says of the last proof; of a session that is kept here, its row has the last word.
    authenticated_at: datetime | None = None
    assurance_level: int = 1
    # None for somebody who calls in person.
    api_key: ApiKeyUse | None = None
    # Where the request comes from, by two letters; None where no proxy says so.
    country: str | None = None

    def __post_init__(self) -> None:
        if not REQUEST_ID.fullmatch(self.request_id):
            object.__setattr__(self, "request_id", str(uuid4()))
        # What is written into SQL is checked once more where it enters: raises TypeError and ValueError.
        for name, kind in KINDS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"The caller's {name} is not parsed.")
        object.__setattr__(self, "roles", frozenset(map(Role, self.roles)))

    @property
    def is_staff(self) -> bool:
        return self.user_id is not None and bool(self.roles & STAFF_ROLES)

    @property
    def database_role(self) -> DatabaseRole:
        """The role that reads for this caller."""
        if self.user_id is None:
            return DatabaseRole.ANONYMOUS
        return DatabaseRole.STAFF if self.is_staff else DatabaseRole.MEMBER


NOBODY = Actor()
