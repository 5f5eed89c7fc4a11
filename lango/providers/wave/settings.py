"""Wave's settings: LANGO_WAVE and what begins with LANGO_WAVE_."""

from __future__ import annotations

from pydantic import Field, SecretStr

from lango.providers.addresses import is_private
from lango.providers.errors import BadProvider
from lango.providers.sandboxes import Mode, Sandboxed
from lango.settings import named

# It guards nothing: in the sandbox whoever opens the page may pay.
SANDBOX_SECRET = "wave_sandbox_secret"


class WaveSettings(Sandboxed):
    """How payments are made by Wave."""

    model_config = named("LANGO_WAVE_")

    chosen: Mode | None = Field(
        None,
        validation_alias="LANGO_WAVE",
        description="Payments by Wave: `live`, in a `sandbox` inside the gateway, or `off`. Without it `lango dev` and "
        "the embedded server take the sandbox; else it is `live` where there is a key, `off` where there is none.",
    )
    api_key: SecretStr | None = Field(None, description="The key of Wave's API.")
    webhook_secrets: SecretStr | None = Field(
        None,
        description="Comma-separated secrets that sign Wave's webhooks: while they are changed, the new and the old.",
    )
    api_url: str = Field("https://api.wave.com", description="Where Wave's API is (https, or on this machine).")
    timeout: float = Field(10.0, gt=0, description="Seconds that one call of Wave's API may take.")

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.api_key else "off")

    @property
    def secrets(self) -> list[str]:
        """What Wave's webhooks are signed with, the newest secret first; without any no webhook is taken."""
        given = self.webhook_secrets.get_secret_value() if self.webhook_secrets else ""
        secrets = [secret.strip() for secret in given.split(",") if secret.strip()]
        return secrets or ([SANDBOX_SECRET] if self.mode == "sandbox" else [])

    @property
    def live_key(self) -> str:
        """The key of Wave's API. Raises BadProvider where there is none, or where it would be given away."""
        if self.api_key is None:
            raise BadProvider("LANGO_WAVE is live: set LANGO_WAVE_API_KEY, or LANGO_WAVE to sandbox or off.")
        if not is_private(self.api_url):
            raise BadProvider("LANGO_WAVE_API_URL must be an https address: the key could be read on the way.")
        return self.api_key.get_secret_value()
