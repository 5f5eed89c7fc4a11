"""Signers of treasuries are checked, changed by their own quorum, and their decisions may count no more."""

from migrations.sql import run

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    run("0053_signatures.up.sql")


def downgrade() -> None:
    run("0053_signatures.down.sql")
