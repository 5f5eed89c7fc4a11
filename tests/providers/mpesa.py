"""M-Pesa's adapter for tests: with a server on loopback in Daraja's place, or with the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from lango.providers.mpesa import MPESA, MpesaSettings
from lango.providers.mpesa.client import Mpesa
from lango.settings import Settings

SECRET = "0123456789abcdefghij"
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
PAYMENT = UUID("0199f3a0-0000-7000-8000-000000000001")
PHONE = "254712345678"
KEY = "0199f3a0-0000-7000-8000-0000000000aa"
LIVE = {"consumer_key": "key", "consumer_secret": "secret", "passkey": PASSKEY, "callback_secrets": SECRET}


def settings_of(folder: Path, mpesa: dict[str, Any] | None = None, **values: Any) -> Settings:
    """Settings of these values alone; `mpesa` are those of M-Pesa."""
    given = {"data_dir": folder, "public_url": "https://lango.test", **values}
    return Settings(_env_file=None, **given).with_section(MpesaSettings(_env_file=None, **(mpesa or {})))


@asynccontextmanager
async def mpesa_of(settings: Settings) -> AsyncIterator[Mpesa]:
    async with AsyncExitStack() as closing:
        yield MPESA.make(settings, closing)
