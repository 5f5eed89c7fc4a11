"""Packs, the partners that offer them, and the campaigns that boost them."""

from migrations.sql import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run("0004_packs.up.sql")


def downgrade() -> None:
    run("0004_packs.down.sql")
