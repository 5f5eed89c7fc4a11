"""The vocabulary of columns: what a value is, and the facts about it that every layer above reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Self
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from lango.db.postgres import RawJson

SECRET = "secret"
ENCRYPTED = "encrypted"
PERSONAL = "personal"
STAFF_ONLY = "staff_only"
MONEY = "money"
DEPRECATED = "deprecated"
# A year, in which every client has had a release.
DEPRECATION_DAYS = 365
# The audit log says nothing of the value: it may be a secret without being a secret column.
WITHHELD = "withheld"
# Changes of it alone are not in the audit log: it counts requests, or says when there was one last.
UNAUDITED = "unaudited"
# Stored as it is: compressing long values would cost more of each write than their place on disk is worth.
UNCOMPRESSED = "uncompressed"

NOW = text("now()")


def deprecated(instead: str, *, since: date) -> str:
    """Why a column is deprecated: what replaces it, since when, and until when it stays at least."""
    until = since + timedelta(days=DEPRECATION_DAYS)
    return f"{instead} Deprecated since {since}; it stays until {until} at least."


@dataclass(frozen=True, slots=True)
class Money:
    """What an amount is counted in: an ISO or coin code, or the column of the same row that holds it."""

    currency: str | None = None
    currency_column: str | None = None


class Documented(StrEnum):
    """A list of words, each of which comes with what it means."""

    doc: str

    # To mypy looking a member up by its value is making one, so the doc has a default; a test demands it.
    def __new__(cls, value: str, doc: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member


class Choice(Documented):
    """An allowed-value list of a column: a GraphQL enum and a CHECK."""

    @classmethod
    def sql_list(cls) -> str:
        return ", ".join(f"'{member.value}'" for member in cls)


class ChoiceType(TypeDecorator[Choice]):
    """A text column that holds the values of one Choice."""

    impl = Text
    cache_ok = True

    def __init__(self, choice: type[Choice], length: int | None = None) -> None:
        self.choice = choice
        self.length = length
        super().__init__()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # noqa: ARG002
        # Not adapted to the dialect: asyncpg's would make a varchar of the text.
        return String(self.length) if self.length else Text()

    def process_bind_param(self, value: Choice | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else self.choice(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> Choice | None:  # noqa: ARG002
        return None if value is None else self.choice(value)

    # There are few values: each is found once.

    def bind_processor(self, dialect: Dialect) -> Any:
        process: Any = super().bind_processor(dialect)
        return cache(process)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        process: Any = super().result_processor(dialect, coltype)
        return cache(process)


Id = Annotated[
    UUID,
    mapped_column(
        Uuid, primary_key=True, default=uuid4, server_default=text("gen_random_uuid()"), doc="The row's key."
    ),
]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Day = Annotated[date, mapped_column(Date)]
ClockTime = Annotated[time, mapped_column(Time)]
CreatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=NOW, doc="When the row was written.")
]
UpdatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=NOW, doc="When the row was last changed.")
]
DeletedAt = Annotated[
    datetime,
    mapped_column(DateTime(timezone=True), doc="When it was deleted; null while it lives. Deleted rows are staff's."),
]
BigInt = Annotated[int, mapped_column(BigInteger)]
Francs = Annotated[int, mapped_column(Integer, info={MONEY: Money(currency="XOF")})]
Json = Annotated[RawJson, mapped_column(JSONB)]
InetAddress = Annotated[str, mapped_column(INET, info={PERSONAL: True})]
Texts = Annotated[list[str], mapped_column(ARRAY(Text))]
Amount = Decimal


def money(currency: str | None = None, *, of: str | None = None) -> dict[str, Any]:
    """Marks an amount: `money("USD")`, or `money(of="currency")` for the currency in that column of the same row."""
    return {MONEY: Money(currency, of)}


def personal(**facts: Any) -> dict[str, Any]:
    """Marks what identifies or describes a person: an export holds it, an erasure clears it, audits only name it."""
    return {PERSONAL: True, **facts}


def unaudited(**facts: Any) -> dict[str, Any]:
    """Marks what changes with every request: an update of such columns alone is not written to the audit log."""
    return {UNAUDITED: True, **facts}


def secret_column(
    kind: TypeEngine[Any] | None = None, *, encrypted: bool = False, doc: str, **options: Any
) -> MappedColumn[Any]:
    """A column that no request role is granted, that is never loaded by default and never in schema, audit or logs."""
    info = {SECRET: True, ENCRYPTED: True} if encrypted else {SECRET: True}
    return mapped_column(kind, deferred=True, deferred_raiseload=True, doc=doc, info=info, **options)


def choice(
    choices: type[Choice],
    length: int | None = None,
    *,
    default: Choice | None = None,
    doc: str,
    **options: Any,
) -> MappedColumn[Any]:
    """A column that holds one of `choices`; `length` makes it a varchar."""
    return mapped_column(
        ChoiceType(choices, length),
        server_default=None if default is None else text(f"'{default.value}'"),
        doc=doc,
        **options,
    )


def choices_array(
    choices: type[Choice],
    length: int | None = None,
    *,
    default: Sequence[Choice] = (),
    doc: str,
    **options: Any,
) -> MappedColumn[Any]:
    """An array of `choices`."""
    kind = f"varchar({length})" if length else "text"
    listed = ", ".join(f"'{value.value}'" for value in default)
    return mapped_column(
        ARRAY(ChoiceType(choices, length)),
        server_default=text(f"ARRAY[{listed}]::{kind}[]") if default else None,
        doc=doc,
        **options,
    )


def reference(
    target: str,
    *,
    doc: str,
    on_delete: str | None = None,
    kind: TypeEngine[Any] | None = None,
    **options: Any,
) -> MappedColumn[Any]:
    """A foreign key to `schema.table.column`."""
    return mapped_column(kind or Uuid(), ForeignKey(target, ondelete=on_delete), doc=doc, **options)


def to_one(column: Mapped[Any]) -> Mapped[Any]:
    """The parent behind a foreign key. Null where a policy hides it."""
    declared: Any = column

    def parents_key() -> list[Any]:
        # Said for a parent in the same table, which SQLAlchemy takes for a child otherwise.
        return [key.column for key in declared.column.foreign_keys]

    return relationship(foreign_keys=[column], remote_side=parents_key, viewonly=True, lazy="raise", doc=_doc(column))


def to_many(child_key: str, *, doc: str) -> Mapped[Any]:
    """The rows whose foreign key `Child.column` leads here."""
    return relationship(foreign_keys=child_key, viewonly=True, lazy="raise", doc=doc)


def to_face(local: str, remote: str, *, doc: str) -> Mapped[Any]:
    """The face where `local` equals `remote`, both `Class.column`. Null where the face hides the row."""
    return relationship(primaryjoin=f"foreign({local}) == {remote}", viewonly=True, lazy="raise", doc=doc)


def to_faces(local: str, remote: str, *, doc: str) -> Mapped[Any]:
    """The faces whose `remote` equals `local`, both `Class.column`."""
    return relationship(primaryjoin=f"{local} == foreign({remote})", viewonly=True, lazy="raise", doc=doc)


def _doc(column: Any) -> str:
    return str(column.column.doc or "")


def check(name: str, sql: str) -> CheckConstraint:
    """A named CHECK; the name says what holds."""
    return CheckConstraint(sql, name=name)
