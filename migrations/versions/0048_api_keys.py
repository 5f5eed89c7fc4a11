"""API keys: whose they are, what their requests count as, and which of them each request was made with."""

from migrations.sql import run

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run("0048_api_keys.up.sql")


def downgrade() -> None:
    run("0048_api_keys.down.sql")
