"""What the gateway keeps for itself: idempotency, the outbox, and which migrations have run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from models.base import Base
from models.columns import NOW, BigInt, CreatedAt, Json, Moment


class Xid8(UserDefinedType[int]):
    """A transaction id that never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "XID8"


class IdempotencyKey(Base):
    """What a mutation answered under a caller's key, so that a retry answers as the first call did."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"), {"schema": "platform"})
    __access__ = None
    __unaudited__ = "A cache of outcomes, kept a day."

    scope: Mapped[str] = mapped_column(primary_key=True, doc="Whose key it is: the user, the API key, or anonymous.")
    operation: Mapped[str] = mapped_column(primary_key=True, doc="The mutation and its response path.")
    key: Mapped[str] = mapped_column(primary_key=True, doc="The key, as the caller chose it.")
    request_hash: Mapped[str] = mapped_column(doc="SHA-256 of the input, so that another input is refused.")
    outcome: Mapped[Json | None] = mapped_column(doc="Refusals, or type and id of each changed object.")
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment] = mapped_column(doc="When the key may be used anew.")


class OutboxEvent(Base):
    """Something that happened, written in the transaction in which it happened."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        Index(None, "xid", "id"),
        {"schema": "platform", "postgresql_partition_by": "RANGE (created_at)"},
    )
    __access__ = None
    __unaudited__ = "A queue of events, kept for days."
    __partitioned_by__ = "created_at"

    id: Mapped[BigInt] = mapped_column(
        BigInteger,
        Identity(always=True),
        primary_key=True,
        doc="Orders events; clients drop what they have seen.",
    )
    xid: Mapped[int] = mapped_column(
        Xid8(),
        server_default=text("pg_current_xact_id()"),
        doc="The transaction: readers follow its horizon.",
    )
    topic: Mapped[str] = mapped_column(doc="What kind of thing happened.")
    key: Mapped[str] = mapped_column(doc="Which object it happened to.")
    payload: Mapped[Json] = mapped_column(doc="Ids only; a subscriber reads the rest under its own rights.")
    created_at: Mapped[CreatedAt] = mapped_column(primary_key=True)


class SchemaMigration(Base):
    """A migration that has been applied, and the checksum of its file when it was."""

    __tablename__ = "schema_migrations"
    __table_args__ = {"schema": "platform"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __access__ = None
    __unaudited__ = "It is the log of migrations."

    revision: Mapped[str] = mapped_column(primary_key=True, doc="Alembic's revision.")
    migration_name: Mapped[str] = mapped_column(doc="What the migration is for.")
    checksum: Mapped[str] = mapped_column(doc="SHA-256 of its files.")
    applied_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was applied.")
    execution_ms: Mapped[int | None] = mapped_column(doc="How long it took, in milliseconds.")
