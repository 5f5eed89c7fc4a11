"""Referrals, points and what they are converted to."""

from migrations.sql import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run("0006_referrals.up.sql")


def downgrade() -> None:
    run("0006_referrals.down.sql")
