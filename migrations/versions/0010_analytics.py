"""Events, metrics, funnels and A/B tests."""

from migrations.sql import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run("0010_analytics.up.sql")


def downgrade() -> None:
    run("0010_analytics.down.sql")
