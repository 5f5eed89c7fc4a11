"""The settings of signing in with GitHub: LANGO_GITHUB and what begins with LANGO_GITHUB_."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lango.providers.sign_in import SignInSettings
from lango.settings import named


class GithubSettings(SignInSettings):
    """Where GitHub is, and as whom it knows this application.

    https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
    """

    model_config = named("LANGO_GITHUB_")

    chosen: Literal["live", "sandbox", "off"] | None = Field(
        None,
        validation_alias="LANGO_GITHUB",
        description="Signing in with GitHub: `live`, in a `sandbox` inside the gateway, or `off`. Without it the "
        "sandbox in `lango dev` and on the embedded server; else `live` where there is a client id, or `off`.",
    )
    authorization_url: str = Field("https://github.com/login/oauth/authorize", description="Where browsers sign in.")
    token_url: str = Field("https://github.com/login/oauth/access_token", description="Where codes are exchanged.")
    user_url: str = Field("https://api.github.com/user", description="Where it says whose an access token is.")
