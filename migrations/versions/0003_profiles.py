"""Profiles, addresses, and what others see of a person."""

from migrations.sql import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run("0003_profiles.up.sql")


def downgrade() -> None:
    run("0003_profiles.down.sql")
