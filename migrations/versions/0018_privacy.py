"""Consents and data requests."""

from migrations.sql import run

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run("0018_privacy.up.sql")


def downgrade() -> None:
    run("0018_privacy.down.sql")
