from __future__ import annotations

from contextlib import AsyncExitStack

from lango.providers.errors import ProviderRefused
from lango.providers.kiosk.settings import KioskSettings
from lango.providers.warnings import WarningKind
from lango.settings import Settings


class KioskClosed(ProviderRefused):
    """No kiosk is open."""

    provider = "kiosk"
    warning = WarningKind("KIOSK_CLOSED", "No kiosk is open.", "{provider} is closed for today.")


class Kiosk:
    """What a kiosk may sell."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.is_open = True

    def sells(self, francs: int) -> bool:
        if not self.is_open:
            raise KioskClosed("closed", "it has been closed")
        return francs <= self.limit

    async def close(self) -> None:
        self.is_open = False


def make(settings: Settings, closing: AsyncExitStack) -> Kiosk:
    kiosk = Kiosk(settings.section(KioskSettings).limit)
    closing.push_async_callback(kiosk.close)
    return kiosk
