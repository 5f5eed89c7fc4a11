"""Guardians who are requested and accept, identity documents, majority by the person's own clock, one default address."""

from migrations.sql import run

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    run("0049_people.up.sql")


def downgrade() -> None:
    run("0049_people.down.sql")
