"""What a statement shows staff is written to the audit log by that statement."""

from migrations.sql import run

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    run("0041_staff_reads.up.sql")


def downgrade() -> None:
    run("0041_staff_reads.down.sql")
