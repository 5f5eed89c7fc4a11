from __future__ import annotations

from pydantic import Field, SecretStr

from lango.settings import Section, named


class KioskSettings(Section):
    """How much is sold on account, and to whom."""

    model_config = named("LANGO_KIOSK_")

    limit: int = Field(1_000, gt=0, description="Francs up to which a kiosk sells on account.")
    password: SecretStr | None = Field(None, description="The password with which kiosks call.")
