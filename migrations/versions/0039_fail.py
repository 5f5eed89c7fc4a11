"""A statement that finds no row where there must be one fails by itself."""

from migrations.sql import run

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run("0039_fail.up.sql")


def downgrade() -> None:
    run("0039_fail.down.sql")
