"""Balances, DAOs, their treasuries, swaps and mobile money."""

from migrations.sql import run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run("0015_treasury.up.sql")


def downgrade() -> None:
    run("0015_treasury.down.sql")
