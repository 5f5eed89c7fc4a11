"""What the database refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import asyncpg

TRANSITION = "LG001"
APPEND_ONLY = "LG002"
UNBALANCED = "LG003"
WITHOUT_ADMIN = "LG004"
WRONG_SIGNERS = "LG005"
CHECK = "23514"
OUT_OF_RANGE = {"22003", "22008"}  # a number, a moment
NOT_GRANTED = "42501"


async def refusal(connection: asyncpg.Connection[Any], statement: str, *values: Any) -> str | None:
    """The SQLSTATE by which a statement is refused, None where it is not; whatever it did is undone."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await connection.execute(statement, *values)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    finally:
        await savepoint.rollback()
    return None


def inserting(table: object, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """An INSERT of these values."""
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    columns = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({columns}) VALUES ({places})", list(values.values())
