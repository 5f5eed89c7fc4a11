"""Who is to act for a partner is invited by a phone number or an email address, and accepts."""

from migrations.sql import run

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run("0036_partner_invitations.up.sql")


def downgrade() -> None:
    run("0036_partner_invitations.down.sql")
