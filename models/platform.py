"""What the gateway keeps for itself: idempotency, the outbox, and which migrations have run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

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


class DueFailure(Base):
    """A row that a job could not do something about: it is tried again later, and stops none of the others."""

    __tablename__ = "due_failures"
    __table_args__ = {"schema": "platform"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __access__ = None
    __unaudited__ = "It goes when the row is done."

    job: Mapped[str] = mapped_column(primary_key=True, doc="The job that failed.")
    row_key: Mapped[UUID] = mapped_column(primary_key=True, doc="The id of the row.")
    attempts: Mapped[int] = mapped_column(doc="How often it has failed.")
    last_error: Mapped[str] = mapped_column(doc="What kind of error the last one was.")
    first_failed_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it failed first.")
    failed_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it failed last.")
    next_try_at: Mapped[Moment] = mapped_column(doc="Before this it is not tried again.")


class ScheduledRun(Base):
    """When a job that is due by itself was last run, by whichever worker."""

    __tablename__ = "scheduled_runs"
    __table_args__ = {"schema": "platform"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __access__ = None
    __unaudited__ = "Written each minute."

    job: Mapped[str] = mapped_column(primary_key=True, doc="Which job was run.")
    ran_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When its last run ended, well or not.")
    succeeded_at: Mapped[Moment | None] = mapped_column(doc="When its last run ended well; null when none has yet.")
    failures: Mapped[int] = mapped_column(server_default=text("0"), doc="How many runs have failed since then.")
    last_error: Mapped[str | None] = mapped_column(doc="Why the last run failed; null when it did not.")


class UncountedEvent(Base):
    """An analytics event that is still to be added to a count; whoever counts it takes it away."""

    __tablename__ = "uncounted_events"
    __table_args__ = (Index(None, "event_name", "subject_id"), {"schema": "platform"})
    __access__ = None
    __unaudited__ = "A queue of events, kept for minutes."

    id: Mapped[BigInt] = mapped_column(BigInteger, Identity(always=True), primary_key=True, doc="Its number.")
    event_name: Mapped[str] = mapped_column(doc="What happened, as in the event.")
    subject_id: Mapped[UUID] = mapped_column(doc="What it happened to: a pot or a campaign.")
    created_at: Mapped[CreatedAt]


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
