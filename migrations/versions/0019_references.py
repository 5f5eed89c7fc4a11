"""The foreign keys between groups that are built one after the other."""

from migrations.sql import run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run("0019_references.up.sql")


def downgrade() -> None:
    run("0019_references.down.sql")
