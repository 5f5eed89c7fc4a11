"""Peer-to-peer trades with escrow, wallets and prices."""

from migrations.sql import run

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run("0013_trading.up.sql")


def downgrade() -> None:
    run("0013_trading.down.sql")
