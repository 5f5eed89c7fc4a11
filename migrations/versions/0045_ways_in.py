"""Sign-ins that wait for a provider's word, and links that take back a change of contact."""

from migrations.sql import run

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    run("0045_ways_in.up.sql")


def downgrade() -> None:
    run("0045_ways_in.down.sql")
