"""Points say when they mature, and go back with what had earned them."""

from migrations.sql import run

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run("0029_points_that_go_back.up.sql")


def downgrade() -> None:
    run("0029_points_that_go_back.down.sql")
