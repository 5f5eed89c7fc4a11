"""A sponsor sees the pot that came with the invitation: points are turned into money for what can be seen."""

from migrations.sql import run

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run("0030_sponsors_see_pots.up.sql")


def downgrade() -> None:
    run("0030_sponsors_see_pots.down.sql")
