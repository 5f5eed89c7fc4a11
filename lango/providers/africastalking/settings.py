"""Africa's Talking's settings: LANGO_AFRICAS_TALKING and what begins with LANGO_AFRICAS_TALKING_."""

from __future__ import annotations

from pydantic import Field, SecretStr

from lango.providers.addresses import is_private
from lango.providers.errors import BadProvider
from lango.providers.sandboxes import Mode, Sandboxed
from lango.settings import named

SHORTEST_SECRET = 16
# It guards nothing: in the sandbox whoever opens the page may report.
SANDBOX_SECRET = "africas_talking_sandbox_secret"


class AfricasTalkingSettings(Sandboxed):
    """How SMS are sent by Africa's Talking."""

    model_config = named("LANGO_AFRICAS_TALKING_")

    chosen: Mode | None = Field(
        None,
        validation_alias="LANGO_AFRICAS_TALKING",
        description="SMS by Africa's Talking: `live`, in a `sandbox` inside the gateway, or `off`. Without it `lango "
        "dev` and the embedded server take the sandbox; else it is `live` where there is a key, `off` where there is "
        "none.",
    )
    username: str | None = Field(None, description="The name of the application there.")
    api_key: SecretStr | None = Field(None, description="The application's key.")
    sender: str | None = Field(
        None, description="Whom SMS come from: a registered name or short code; without it the account's default."
    )
    report_secret: SecretStr | None = Field(
        None,
        description="Part of the address that delivery reports are posted to, `/webhooks/africas-talking/<secret>`: "
        f"they are not signed. At least {SHORTEST_SECRET} characters; without it none are taken.",
    )
    api_url: str = Field("https://api.africastalking.com", description="Where the API is (https, or on this machine).")
    timeout: float = Field(8.0, gt=0, description="Seconds that one call of the API may take.")

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.api_key else "off")

    @property
    def secret(self) -> str | None:
        """What the address of reports ends with; None where no reports are taken."""
        given = self.report_secret.get_secret_value() if self.report_secret else ""
        if len(given) >= SHORTEST_SECRET:
            return given
        return SANDBOX_SECRET if self.mode == "sandbox" else None

    @property
    def live_account(self) -> tuple[str, str]:
        """The name and the key. Raises BadProvider where they are missing, or where they would be given away."""
        if self.api_key is None or not self.username:
            raise BadProvider(
                "LANGO_AFRICAS_TALKING is live: set LANGO_AFRICAS_TALKING_USERNAME and LANGO_AFRICAS_TALKING_API_KEY, "
                "or LANGO_AFRICAS_TALKING to sandbox or off."
            )
        if not is_private(self.api_url):
            raise BadProvider("LANGO_AFRICAS_TALKING_API_URL must be an https address: the key could be read.")
        return self.username, self.api_key.get_secret_value()
