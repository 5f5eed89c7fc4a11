"""The command line's process: its signals, and in one line the errors that the user can correct."""

from __future__ import annotations

import signal
import sys

from rich.markup import escape

from lango.cli.app import app
from lango.cli.console import err


def user_errors(error: Exception) -> list[str]:
    """The lines about an error that the user can correct, without a traceback; none where it is a fault of ours."""
    import asyncpg
    from pydantic import ValidationError

    from lango.db.migrate import MigrationError
    from lango.db.postgres import BadAddressError, InsecureDatabase, SharedSessionError, UnreachableDatabaseError
    from lango.db.roles import UnsupportedServerError
    from lango.embedded import EmbeddedError
    from lango.providers import BadProvider
    from lango.security.keys import BadKey, NoSigningKey

    if isinstance(error, ValidationError):
        return [
            f"the setting {'.'.join(str(part) for part in wrong['loc'])}: {wrong['msg']}" for wrong in error.errors()
        ]
    known = (
        EmbeddedError,
        MigrationError,
        BadAddressError,
        InsecureDatabase,
        UnsupportedServerError,
        NoSigningKey,
        BadKey,
        BadProvider,
        SharedSessionError,
        UnreachableDatabaseError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.CannotConnectNowError,
    )
    return [str(error)] if isinstance(error, known) else []


def end(_number: int, _frame: object) -> None:
    """As Ctrl-C does: so that what was started is stopped."""
    raise KeyboardInterrupt


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        app()
    except Exception as error:
        if not (lines := user_errors(error)):
            raise
        for line in lines:
            err.print(f"[bold red]Error:[/] {escape(line)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
