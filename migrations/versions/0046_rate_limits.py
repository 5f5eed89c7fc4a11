"""Rate limits: counted in the database, so that they hold across workers."""

from migrations.sql import run

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    run("0046_rate_limits.up.sql")


def downgrade() -> None:
    run("0046_rate_limits.down.sql")
