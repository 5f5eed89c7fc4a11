"""The settings of signing in with Telegram: LANGO_TELEGRAM and what begins with LANGO_TELEGRAM_."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lango.providers.openid import Endpoints
from lango.providers.sign_in import SignInSettings
from lango.settings import named

ISSUERS = ("https://oauth.telegram.org",)
SCOPE = "openid profile"


class TelegramSettings(SignInSettings):
    """Where Telegram is, and as whom it knows this application.

    https://core.telegram.org/bots/telegram-login
    """

    model_config = named("LANGO_TELEGRAM_")

    chosen: Literal["live", "sandbox", "off"] | None = Field(
        None,
        validation_alias="LANGO_TELEGRAM",
        description="Signing in with Telegram: `live`, in a `sandbox` inside the gateway, or `off`. Without it the "
        "sandbox in `lango dev` and on the embedded server; else `live` where there is a client id, or `off`.",
    )
    authorization_url: str = Field("https://oauth.telegram.org/auth", description="Where browsers sign in.")
    token_url: str = Field("https://oauth.telegram.org/token", description="Where codes are exchanged.")
    keys_url: str = Field(
        "https://oauth.telegram.org/.well-known/jwks.json", description="Where its keys are published."
    )

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(ISSUERS, self.authorization_url, self.token_url, self.keys_url, SCOPE)
