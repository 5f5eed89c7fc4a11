"""Fees say when they were given back."""

from migrations.sql import run

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    run("0057_fees_given_back.up.sql")


def downgrade() -> None:
    run("0057_fees_given_back.down.sql")
