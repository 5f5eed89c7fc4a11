"""The ledger: accounts, transactions and entries."""

from migrations.sql import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run("0017_ledger.up.sql")


def downgrade() -> None:
    run("0017_ledger.down.sql")
