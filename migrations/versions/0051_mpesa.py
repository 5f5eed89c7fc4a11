"""What M-Pesa posts, receipts that credit once, account numbers, and payments that expire or are queried about."""

from migrations.sql import run

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    run("0051_mpesa.up.sql")


def downgrade() -> None:
    run("0051_mpesa.down.sql")
