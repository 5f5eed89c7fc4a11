"""Birthday pots, who is invited, and how they fare."""

from migrations.sql import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run("0005_pots.up.sql")


def downgrade() -> None:
    run("0005_pots.down.sql")
