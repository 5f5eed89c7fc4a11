"""The queue of jobs."""

from migrations.sql import run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run("0021_jobs.up.sql")


def downgrade() -> None:
    run("0021_jobs.down.sql")
