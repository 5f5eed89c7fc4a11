"""The day that a trader's volumes are of, one primary wallet and payment method a user, and a deposit credited once."""

from migrations.sql import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run("0023_trading.up.sql")


def downgrade() -> None:
    run("0023_trading.down.sql")
