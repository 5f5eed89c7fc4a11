"""Who gave sees the pot; a payload shows what its rule opened; points come back from a pot that is called off."""

from migrations.sql import run

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    run("0035_pots_to_givers.up.sql")


def downgrade() -> None:
    run("0035_pots_to_givers.down.sql")
