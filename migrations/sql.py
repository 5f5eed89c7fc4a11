"""What a version calls: run the frozen SQL that lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import context, op


class TransactionEndedError(RuntimeError):
    """A migration's SQL ended the transaction that is to undo it if it fails."""


def run(name: str) -> None:
    """Send a file of statements as one simple query, as it is: a colon is a colon and a percent sign one too.

    It runs inside the version's transaction: the file holds no BEGIN, no COMMIT and nothing that cannot be undone.
    """
    script = (Path(context.config.attributes["versions"]) / name).read_text(encoding="utf-8")
    bind = op.get_bind()
    # The driver's transaction begins with the first statement that goes through SQLAlchemy, and ours does not.
    bind.exec_driver_sql("SELECT 1")
    connection: Any = bind.connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(script))
    if not connection.driver_connection.is_in_transaction():
        raise TransactionEndedError(f"{name} ends its transaction: take BEGIN, COMMIT and ROLLBACK out of it.")
