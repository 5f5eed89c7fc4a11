"""Whoever has just signed in is shown the session that came of it, before they bring its token."""

from migrations.sql import run

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    run("0044_signed_in.up.sql")


def downgrade() -> None:
    run("0044_signed_in.down.sql")
