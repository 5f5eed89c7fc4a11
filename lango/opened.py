"""Rows that a rule opens to its caller: the mutation's own answer shows them, whoever may read them otherwise.

A donor without an account gives by a share link, a receipt's token gives a donation back: what such a rule made belongs
into its payload (docs/adr/0021).
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

OPENED = "opened"


def open_to_caller(session: AsyncSession, *keys: UUID) -> None:
    """Let the payload of the rule that runs show the rows of these ids, of any table that says so in its access."""
    session.info.setdefault(OPENED, []).extend(str(key) for key in keys)


def opened_by(session: AsyncSession) -> list[str]:
    """The ids of what the rule of this session has opened."""
    found: list[str] = session.info.get(OPENED, [])
    return found
