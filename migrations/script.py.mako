"""${message}"""

from migrations.sql import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run("${up_revision}_${slug if slug is not UNDEFINED else message.lower().replace(" ", "_")}.up.sql")


def downgrade() -> None:
    run("${up_revision}_${slug if slug is not UNDEFINED else message.lower().replace(" ", "_")}.down.sql")
