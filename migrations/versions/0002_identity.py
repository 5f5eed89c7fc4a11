"""Users and their sessions."""

from migrations.sql import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run("0002_identity.up.sql")


def downgrade() -> None:
    run("0002_identity.down.sql")
