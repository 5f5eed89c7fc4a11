"""A redemption may be taken back; who holds a code, or has redeemed it, sees its pack also when it is withdrawn."""

from migrations.sql import run

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run("0028_redemptions_reversed.up.sql")


def downgrade() -> None:
    run("0028_redemptions_reversed.down.sql")
