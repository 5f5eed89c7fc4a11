"""What signing in keeps: verified contacts, how far a session is proved and why it ended, trusted devices."""

from migrations.sql import run

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    run("0043_sign_in.up.sql")


def downgrade() -> None:
    run("0043_sign_in.down.sql")
