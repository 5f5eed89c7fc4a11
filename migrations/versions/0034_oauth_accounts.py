"""The audit log calls an account that a user signs in with by the name that the API has for it."""

from migrations.sql import run

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run("0034_oauth_accounts.up.sql")


def downgrade() -> None:
    run("0034_oauth_accounts.down.sql")
