"""The ledger's positions, and fees whose parts add up."""

from migrations.sql import run

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    run("0050_treasury_foundation.up.sql")


def downgrade() -> None:
    run("0050_treasury_foundation.down.sql")
