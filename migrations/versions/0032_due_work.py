"""Work that is due: which rows failed, when jobs ran, and what is still to be counted."""

from migrations.sql import run

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run("0032_due_work.up.sql")


def downgrade() -> None:
    run("0032_due_work.down.sql")
