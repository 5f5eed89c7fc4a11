"""Feature flags, configuration, the audit log and the health of services."""

from migrations.sql import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run("0012_admin.up.sql")


def downgrade() -> None:
    run("0012_admin.down.sql")
