"""The functions that policies and triggers call, and what the gateway keeps for itself."""

from migrations.sql import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run("0001_foundation.up.sql")


def downgrade() -> None:
    run("0001_foundation.down.sql")
