"""M-Pesa's settings: LANGO_MPESA and what begins with LANGO_MPESA_."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from lango.providers.addresses import is_private
from lango.providers.errors import BadProvider
from lango.providers.mpesa.credentials import security_credential
from lango.providers.sandboxes import Mode, Sandboxed
from lango.settings import named

# They guard nothing: in the sandbox whoever opens the page may pay.
SANDBOX_SECRET, SANDBOX_PASSKEY = "sandbox-callbacks", "mpesa-sandbox-passkey"
# Of everybody who tries Daraja without a contract.
SANDBOX_SHORTCODE = "174379"
PRODUCTION = "https://api.safaricom.co.ke"


class MpesaSettings(Sandboxed):
    """How money comes and goes by M-Pesa."""

    model_config = named("LANGO_MPESA_")

    chosen: Mode | None = Field(
        None,
        validation_alias="LANGO_MPESA",
        description="Payments by M-Pesa: `live`, in a `sandbox` inside the gateway, or `off`. Without it `lango dev` "
        "and the embedded server take the sandbox; else it is `live` where there is a consumer key, `off` where there "
        "is none.",
    )
    consumer_key: str | None = Field(None, description="The application's consumer key, from Daraja's portal.")
    consumer_secret: SecretStr | None = Field(None, description="The application's consumer secret.")
    shortcode: str = Field(
        SANDBOX_SHORTCODE,
        pattern=r"^[0-9]{5,7}$",
        description="The Paybill number to which people pay; without it that of Daraja's own sandbox.",
    )
    passkey: SecretStr | None = Field(None, description="The passkey of the Paybill number, for STK pushes.")
    payout_shortcode: str | None = Field(
        None,
        pattern=r"^[0-9]{5,7}$",
        description="The number from which payouts are paid; without it LANGO_MPESA_SHORTCODE.",
    )
    initiator: str | None = Field(None, description="The API user who pays out, reverses and queries.")
    initiator_password: SecretStr | None = Field(None, description="The password of that user.")
    certificate: str | None = Field(
        None,
        description="Safaricom's certificate, which encrypts that password: a file, or PEM. Production and Daraja's "
        "sandbox have different ones.",
    )
    callback_secrets: SecretStr | None = Field(
        None,
        description="Comma-separated secrets that are part of the addresses to which M-Pesa posts, of letters, digits, "
        "`-` and `_`: the first is given to M-Pesa; while it is changed, the old one is taken too.",
    )
    callback_url: str | None = Field(
        None, description="Where M-Pesa reaches the gateway (https), if not at LANGO_PUBLIC_URL."
    )
    api_url: str = Field(PRODUCTION, description="Where Daraja is (https, or on this machine).")
    zone: str = Field(
        "Africa/Nairobi", description="The time zone in which M-Pesa writes its moments, and of its days."
    )
    addresses: str | None = Field(
        None,
        description="Comma-separated addresses and networks from which M-Pesa may post; without it any. The secret in "
        "the address is needed in any case.",
    )
    pull: bool = Field(
        False,
        description="Whether the Paybill number is registered for Daraja's Pull Transactions API, which gives its "
        "statement.",
    )
    timeout: float = Field(10.0, gt=0, description="Seconds that one call of Daraja may take.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {name}") from None
        return name

    @field_validator("addresses")
    @classmethod
    def _networks(cls, given: str | None) -> str | None:
        networks_in(given)
        return given

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.consumer_key else "off")

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def paying_shortcode(self) -> str:
        """The number from which payouts are paid."""
        return self.payout_shortcode or self.shortcode

    @property
    def secrets(self) -> list[str]:
        """What the addresses may have in them to which M-Pesa posts, the newest first; without any none is taken."""
        given = self.callback_secrets.get_secret_value() if self.callback_secrets else ""
        secrets = [secret.strip() for secret in given.split(",") if secret.strip()]
        return secrets or ([SANDBOX_SECRET] if self.mode == "sandbox" else [])

    @property
    def networks(self) -> list[IPv4Network | IPv6Network]:
        """Those from which M-Pesa may post; empty: any."""
        return networks_in(self.addresses)

    @property
    def credential(self) -> str:
        """The initiator's password, encrypted; empty unless all that it needs is set. Raises BadProvider."""
        if not self.initiator or not self.initiator_password or not self.certificate:
            return ""
        return security_credential(self.initiator_password.get_secret_value(), self.certificate)

    @property
    def live_key(self) -> tuple[str, str]:
        """The application's key and secret. Raises BadProvider where they are missing, or would be given away."""
        if not self.consumer_key or not self.consumer_secret or not self.passkey or not self.secrets:
            raise BadProvider(
                "LANGO_MPESA is live: set LANGO_MPESA_CONSUMER_KEY, LANGO_MPESA_CONSUMER_SECRET, "
                "LANGO_MPESA_SHORTCODE, LANGO_MPESA_PASSKEY and LANGO_MPESA_CALLBACK_SECRETS, "
                "or LANGO_MPESA to sandbox or off."
            )
        if not is_private(self.api_url):
            raise BadProvider("LANGO_MPESA_API_URL must be an https address: the key could be read on the way.")
        return self.consumer_key, self.consumer_secret.get_secret_value()


def networks_in(given: str | None) -> list[IPv4Network | IPv6Network]:
    """Raises ValueError."""
    return [ip_network(each.strip()) for each in (given or "").split(",") if each.strip()]
