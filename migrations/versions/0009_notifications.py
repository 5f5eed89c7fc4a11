"""Notifications, their templates and preferences."""

from migrations.sql import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run("0009_notifications.up.sql")


def downgrade() -> None:
    run("0009_notifications.down.sql")
