"""What is earned or accepted once is so by a key; what is due is found by an index."""

from migrations.sql import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run("0025_referrals.up.sql")


def downgrade() -> None:
    run("0025_referrals.down.sql")
