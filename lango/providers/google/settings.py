"""The settings of signing in with Google: LANGO_GOOGLE and what begins with LANGO_GOOGLE_."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lango.providers.openid import Endpoints
from lango.providers.sign_in import SignInSettings
from lango.settings import named

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
SCOPE = "openid email profile"


class GoogleSettings(SignInSettings):
    """Where Google is, and as whom it knows this application.

    https://developers.google.com/identity/openid-connect/openid-connect
    """

    model_config = named("LANGO_GOOGLE_")

    chosen: Literal["live", "sandbox", "off"] | None = Field(
        None,
        validation_alias="LANGO_GOOGLE",
        description="Signing in with Google: `live`, in a `sandbox` inside the gateway, or `off`. Without it the "
        "sandbox in `lango dev` and on the embedded server; else `live` where there is a client id, or `off`.",
    )
    authorization_url: str = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="Where browsers sign in."
    )
    token_url: str = Field("https://oauth2.googleapis.com/token", description="Where codes are exchanged.")
    keys_url: str = Field("https://www.googleapis.com/oauth2/v3/certs", description="Where its keys are published.")

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(ISSUERS, self.authorization_url, self.token_url, self.keys_url, SCOPE)
