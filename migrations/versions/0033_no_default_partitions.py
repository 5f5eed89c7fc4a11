"""No default partitions: rows lie in the partitions of their months alone."""

from migrations.sql import run

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run("0033_no_default_partitions.up.sql")


def downgrade() -> None:
    run("0033_no_default_partitions.down.sql")
