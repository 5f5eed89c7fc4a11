"""Work that is due: which rows failed, when jobs ran, and what is still to be counted."""

from migrations.sql import run

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run("0036_due_work.up.sql")


def downgrade() -> None:
    run("0036_due_work.down.sql")
