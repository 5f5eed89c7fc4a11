"""A referral is paid for once, and a payout says which payment by M-Pesa pays it."""

from migrations.sql import run

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    run("0056_payouts.up.sql")


def downgrade() -> None:
    run("0056_payouts.down.sql")
