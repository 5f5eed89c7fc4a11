"""DAOs have a time zone, keep an admin while they are active, and know who has left."""

from migrations.sql import run

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    run("0052_daos.up.sql")


def downgrade() -> None:
    run("0052_daos.down.sql")
