"""QR codes, their redemption, and the settlements that follow."""

from migrations.sql import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run("0008_redemption.up.sql")


def downgrade() -> None:
    run("0008_redemption.down.sql")
