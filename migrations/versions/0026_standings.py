"""Whether callers are still served: how users and their sessions stand, many at once."""

from migrations.sql import run

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run("0026_standings.up.sql")


def downgrade() -> None:
    run("0026_standings.down.sql")
