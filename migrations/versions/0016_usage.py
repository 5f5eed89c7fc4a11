"""Developers: plans, tokens and API usage."""

from migrations.sql import run

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run("0016_usage.up.sql")


def downgrade() -> None:
    run("0016_usage.down.sql")
