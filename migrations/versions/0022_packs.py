"""What packs and settlements must hold to, the venue of a redemption as a column, and the codes that are due."""

from migrations.sql import run

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run("0022_packs.up.sql")


def downgrade() -> None:
    run("0022_packs.down.sql")
