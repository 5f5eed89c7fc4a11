"""Twilio's settings: LANGO_TWILIO and what begins with LANGO_TWILIO_."""

from __future__ import annotations

from pydantic import Field, SecretStr

from lango.providers.addresses import is_private
from lango.providers.errors import BadProvider
from lango.providers.sandboxes import Mode, Sandboxed
from lango.settings import named

# They guard nothing: in the sandbox whoever opens the page may report.
SANDBOX_ACCOUNT, SANDBOX_TOKEN = "ACsandbox", "twilio_sandbox_token"


class TwilioSettings(Sandboxed):
    """How SMS are sent by Twilio."""

    model_config = named("LANGO_TWILIO_")

    chosen: Mode | None = Field(
        None,
        validation_alias="LANGO_TWILIO",
        description="SMS by Twilio: `live`, in a `sandbox` inside the gateway, or `off`. Without it `lango dev` and "
        "the embedded server take the sandbox; else it is `live` where there is a token, `off` where there is none.",
    )
    account_sid: str | None = Field(None, description="The account's key, as in `AC…`.")
    auth_tokens: SecretStr | None = Field(
        None,
        description="The account's token, which also signs delivery reports; comma-separated, while it is changed, the "
        "new and the old. The first calls.",
    )
    sender: str | None = Field(
        None, description="Whom SMS come from: a number, a registered name, or a messaging service (`MG…`)."
    )
    api_url: str = Field("https://api.twilio.com", description="Where Twilio's API is (https, or on this machine).")
    timeout: float = Field(8.0, gt=0, description="Seconds that one call of Twilio's API may take.")

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.auth_tokens else "off")

    @property
    def tokens(self) -> list[str]:
        """What delivery reports are signed with; without any none is taken."""
        given = self.auth_tokens.get_secret_value() if self.auth_tokens else ""
        tokens = [token.strip() for token in given.split(",") if token.strip()]
        return tokens or ([SANDBOX_TOKEN] if self.mode == "sandbox" else [])

    @property
    def live_account(self) -> tuple[str, str]:
        """The account and its token. Raises BadProvider where something is missing, or would be given away."""
        if not self.account_sid or not self.tokens or not self.sender:
            raise BadProvider(
                "LANGO_TWILIO is live: set LANGO_TWILIO_ACCOUNT_SID, LANGO_TWILIO_AUTH_TOKENS and LANGO_TWILIO_SENDER, "
                "or LANGO_TWILIO to sandbox or off."
            )
        if not is_private(self.api_url):
            raise BadProvider("LANGO_TWILIO_API_URL must be an https address: the token could be read on the way.")
        return self.account_sid, self.tokens[0]
