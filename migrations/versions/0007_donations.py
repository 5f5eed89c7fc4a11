"""Donations, refunds, and what others see of them."""

from migrations.sql import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run("0007_donations.up.sql")


def downgrade() -> None:
    run("0007_donations.down.sql")
