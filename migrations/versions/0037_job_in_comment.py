"""The comment on a job's name names a job that there is."""

from migrations.sql import run

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    run("0037_job_in_comment.up.sql")


def downgrade() -> None:
    run("0037_job_in_comment.down.sql")
