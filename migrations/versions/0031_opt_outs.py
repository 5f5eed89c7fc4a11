"""Whoever declined is left alone for a while, and whoever wishes no invitations gets none."""

from migrations.sql import run

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run("0031_opt_outs.up.sql")


def downgrade() -> None:
    run("0031_opt_outs.down.sql")
