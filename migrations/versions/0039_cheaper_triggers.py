"""Trigger functions that do the same in fewer statements and expressions."""

from migrations.sql import run

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run("0039_cheaper_triggers.up.sql")


def downgrade() -> None:
    run("0039_cheaper_triggers.down.sql")
