"""How often something was done lately, so that it is not done too often."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.columns import Moment


class RateLimitWindow(Base):
    """How often one caller, address or contact has done one thing in the time that is counted together.

    The table is UNLOGGED: what a crash forgets is counted anew, and counting costs no write to the log.
    """

    __tablename__ = "rate_limits"
    # Room in each page for the next version of a row, which is then found without a change to the index.
    __table_args__ = {  # noqa: RUF012 - SQLAlchemy's own idiom
        "schema": "security",
        "prefixes": ["UNLOGGED"],
        "postgresql_with": {"fillfactor": 50},
    }
    __access__ = None
    __unaudited__ = "Counters, which live for minutes."

    key: Mapped[str] = mapped_column(
        primary_key=True, doc="The limit and whose count it is, as the first half of their SHA-256."
    )
    taken: Mapped[int] = mapped_column(doc="How often it was done since the window began; what was refused is not.")
    ends_at: Mapped[Moment] = mapped_column(doc="When the window ends; the next one begins with the next time.")
