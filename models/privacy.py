"""What users agree to, what they ask about their data, and the keys their secrets are encrypted with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    Id,
    InetAddress,
    Json,
    Moment,
    choice,
    personal,
    reference,
    secret_column,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class ConsentPurpose(Choice):
    """What a user may agree to."""

    MARKETING_EMAIL = "marketing_email", "Advertising by email."
    MARKETING_SMS = "marketing_sms", "Advertising by SMS."
    MARKETING_WHATSAPP = "marketing_whatsapp", "Advertising by WhatsApp."
    ANALYTICS = "analytics", "Measuring how they use the product."
    DATA_SHARING = "data_sharing", "Passing their data on to partners and others."


class DataRequestKind(Choice):
    """What a user may request about their data."""

    EXPORT = "export", "A copy of everything held about them."
    ERASURE = (
        "erasure",
        "To be forgotten: personal data is removed or made unreadable, money and audit rows stay without it.",
    )


class DataRequestStatus(Choice):
    """Where a request stands between its asking and its answer."""

    PENDING = "pending", "Waiting to be worked on."
    PROCESSING = "processing", "Being worked on."
    COMPLETED = "completed", "Done as requested."
    REJECTED = "rejected", "Refused, as an erasure is while money is held; `result` has the reason."


class Consent(Base):
    """A user's yes or no to one purpose; the newest for a purpose holds."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "user_id"), {"schema": "privacy"})
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", on_delete="CASCADE")
    purpose: Mapped[ConsentPurpose] = choice(ConsentPurpose, 50, doc="What it is about.")
    granted: Mapped[bool] = mapped_column(doc="True for yes; false for no, or for a yes taken back.")
    source: Mapped[str | None] = mapped_column(String(50), doc="Where the user said so; null where it is not known.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class DataRequest(Base):
    """A user's wish for a copy of their data, or to be forgotten."""

    __tablename__ = "data_requests"
    __table_args__ = (Index(None, "user_id"), {"schema": "privacy"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"processing", "rejected"}, processing={"completed", "rejected", "pending"}
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    kind: Mapped[DataRequestKind] = choice(DataRequestKind, 20, doc="What is asked.")
    status: Mapped[DataRequestStatus] = choice(
        DataRequestStatus, 20, default=DataRequestStatus.PENDING, doc="Where it stands."
    )
    result: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What came of it: the copy, or the reason for a refusal; null before."
    )
    requested_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the user asked.")
    due_at: Mapped[Moment] = mapped_column(doc="By when it is to be answered.")
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was answered; null before.")

    user: Mapped[User | None] = to_one(user_id)


class UserKey(Base):
    """The key a user's secrets are encrypted with; once it is destroyed nobody can read them."""

    __tablename__ = "user_keys"
    __table_args__ = ({"schema": "privacy"},)
    __access__ = None
    __unaudited__ = "Keys only; their use is audited where the value is revealed."

    user_id: Mapped[UUID] = reference(
        "identity.users.id", doc="The user it belongs to.", on_delete="CASCADE", primary_key=True
    )
    wrapped_key: Mapped[bytes] = secret_column(LargeBinary(), doc="The user's data key, wrapped by the master key.")
    key_version: Mapped[int] = mapped_column(doc="The version of the master key that wraps it.")
    created_at: Mapped[CreatedAt]
    destroyed_at: Mapped[Moment | None] = mapped_column(
        doc="When it was destroyed, and with it all it had encrypted; null while it serves."
    )

    user: Mapped[User | None] = to_one(user_id)
