"""What was given to a pot that is cancelled is no contribution any more, also before its refund is written."""

from migrations.sql import run

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    run("0042_contributions_of_cancelled_pots.up.sql")


def downgrade() -> None:
    run("0042_contributions_of_cancelled_pots.down.sql")
