"""A donation that failed may be tried again or held, a refund paid by hand; indexes for what worker and staff seek."""

from migrations.sql import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run("0024_donations.up.sql")


def downgrade() -> None:
    run("0024_donations.down.sql")
