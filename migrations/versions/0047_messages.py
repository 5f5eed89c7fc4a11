"""How often a message was sent, and the way from a provider's report to it."""

from migrations.sql import run

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run("0047_messages.up.sql")


def downgrade() -> None:
    run("0047_messages.down.sql")
