"""What the policies of pots cost where a member has many, and the orders of long lists."""

from migrations.sql import run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run("0020_plans_that_scale.up.sql")


def downgrade() -> None:
    run("0020_plans_that_scale.down.sql")
