"""A statement that finds no row where there must be one fails by itself."""

from migrations.sql import run

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    run("0040_failing_statements.up.sql")


def downgrade() -> None:
    run("0040_failing_statements.down.sql")
