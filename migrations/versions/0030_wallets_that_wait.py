"""A wallet that was just connected waits before it is paid to; who calls off a trade before it is funded is known."""

from migrations.sql import run

revision = "0030"
down_revision = "0027"


def upgrade() -> None:
    run("0030_wallets_that_wait.up.sql")


def downgrade() -> None:
    run("0030_wallets_that_wait.down.sql")
