"""A wallet that was just connected waits before it is paid to; who calls off a trade before it is funded is known."""

from migrations.sql import run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run("0027_wallets_that_wait.up.sql")


def downgrade() -> None:
    run("0027_wallets_that_wait.down.sql")
