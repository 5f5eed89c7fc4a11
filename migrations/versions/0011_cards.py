"""Corporate cards: accounts, limits, transactions."""

from migrations.sql import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run("0011_cards.up.sql")


def downgrade() -> None:
    run("0011_cards.down.sql")
