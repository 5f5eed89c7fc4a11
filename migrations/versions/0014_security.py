"""How people sign in, their devices, keys and what was sent to them."""

from migrations.sql import run

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run("0014_security.up.sql")


def downgrade() -> None:
    run("0014_security.down.sql")
