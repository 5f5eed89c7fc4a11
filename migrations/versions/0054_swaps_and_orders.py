"""Quotes that are taken once, rates of two currencies, and what became of each date of a recurring payment."""

from migrations.sql import run

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    run("0054_swaps_and_orders.up.sql")


def downgrade() -> None:
    run("0054_swaps_and_orders.down.sql")
