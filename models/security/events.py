"""What happened to the safety of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import Choice, CreatedAt, Id, InetAddress, Json, Moment, choice, personal, reference, to_one
from models.locks import LockRank

if TYPE_CHECKING:
    from models.identity import User


class SecurityEventSeverity(Choice):
    """How soon an event wants to be looked at."""

    LOW = "low", "Ordinary, kept for the record."
    MEDIUM = "medium", "Unusual, but often harmless."
    HIGH = "high", "Probably an attack."
    CRITICAL = "critical", "The account may be in other hands."


class SecurityEvent(Base):
    """Something that bears on an account's safety, and what staff made of it."""

    __tablename__ = "security_events"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (Index(None, "user_id"), Index(None, "resolved_by"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "An event log of its own, with who resolved what."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    event_type: Mapped[str] = mapped_column(
        doc="What happened, as in `login_failed`, `password_changed` or `suspicious_activity`."
    )
    severity: Mapped[SecurityEventSeverity] = choice(SecurityEventSeverity, doc="How soon it wants to be looked at.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    location: Mapped[Json | None] = mapped_column(
        info=personal(), doc="`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown."
    )
    details: Mapped[Json | None] = mapped_column(
        info=personal(), doc="More of what happened, its keys depending on `event_type`; null where there is no more."
    )
    resolved: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether staff have dealt with it.")
    resolved_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who on the staff dealt with it; null before."
    )
    resolved_at: Mapped[Moment | None] = mapped_column(doc="When it was dealt with; null before.")
    notes: Mapped[str | None] = mapped_column(doc="What staff noted in dealing with it; null without a note.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
    resolved_by_user: Mapped[User | None] = to_one(resolved_by)
