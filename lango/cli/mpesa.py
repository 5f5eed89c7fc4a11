"""`lango mpesa`: what M-Pesa must be told once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from lango.cli.console import err, fail, info, step
from lango.providers.errors import BadProvider, ProviderError
from lango.providers.mpesa import MPESA
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.webhook import Addresses, forbidden_in
from lango.settings import Settings, settings


def register(*, refuse_unanswered: bool) -> None:
    current = settings()
    with step("M-Pesa"):
        said = asyncio.run(registered(current, completed=not refuse_unanswered))
    info(f"M-Pesa says: {said}")
    err.print("[green]✓[/] payments from M-Pesa's own menu are reported to this gateway")


async def registered(current: Settings, *, completed: bool) -> str:
    """Have M-Pesa report payments from its own menu; gives what it says."""
    async with AsyncExitStack() as closing:
        try:
            client = MPESA.make(current, closing)
            if not isinstance(client, HttpMpesa):
                fail("LANGO_MPESA is off: set it to live.")
            check(Addresses(current).notice("confirmation"))
            return await client.register(completed=completed)
        except (BadProvider, ProviderError) as error:
            fail(f"{error}.")


def check(url: str) -> None:
    """M-Pesa says of such an address only that it is invalid. The address has a secret in it: it is not shown."""
    if words := forbidden_in(url):
        fail(
            f"M-Pesa takes no address with {' or '.join(words)} in it: change LANGO_MPESA_CALLBACK_URL or the first of "
            "LANGO_MPESA_CALLBACK_SECRETS."
        )
    if not url.startswith("https://"):
        fail("M-Pesa takes https addresses only: set LANGO_MPESA_CALLBACK_URL or LANGO_PUBLIC_URL.")
