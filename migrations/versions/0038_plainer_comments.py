"""Comments on tables and columns in plainer words."""

from migrations.sql import run

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    run("0038_plainer_comments.up.sql")


def downgrade() -> None:
    run("0038_plainer_comments.down.sql")
