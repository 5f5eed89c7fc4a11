"""Reports say their place in the ledger, and are kept once they are published."""

from migrations.sql import run

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    run("0055_reports.up.sql")


def downgrade() -> None:
    run("0055_reports.down.sql")
