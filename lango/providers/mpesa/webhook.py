"""M-Pesa's webhooks. It signs nothing: who knows the secret in the address is M-Pesa, and posts from where it may."""

from __future__ import annotations

import hmac
import re
from urllib.parse import quote
from uuid import UUID

from lango.providers.addresses import public_url
from lango.providers.errors import BadProvider
from lango.providers.mpesa.settings import MpesaSettings
from lango.providers.payloads import json_object
from lango.providers.webhook import Reply, Webhook, WebhookRequest
from lango.settings import Settings

# Words that M-Pesa takes in no address to which it is to post notices; in no case either.
FORBIDDEN = ("mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query")
# Of letters and digits at random, what nobody guesses.
USABLE = re.compile(r"[A-Za-z0-9_-]{16,}", re.ASCII)
ACCEPTED = Reply.json({"ResultCode": 0, "ResultDesc": "Accepted"})


def is_from_mpesa(settings: Settings, request: WebhookRequest) -> bool:
    own = settings.section(MpesaSettings)
    given = request.parameters["secret"].encode()
    right = False
    for secret in own.secrets:
        # All of them, always: the time taken gives no hint of which was nearly right.
        right |= hmac.compare_digest(secret.encode(), given)
    networks = own.networks
    return right and (not networks or any(request.address in network for network in networks if request.address))


# What became of an STK push; that the payment's id is in the address finds it also where our call was cut off.
CALLBACKS = Webhook("/webhooks/mpesa/{secret}", verify=is_from_mpesa, read=json_object, accepted=ACCEPTED)
PAYMENT_CALLBACKS = Webhook(
    "/webhooks/mpesa/{secret}/push/{payment}", verify=is_from_mpesa, read=json_object, accepted=ACCEPTED
)
# What became of the rest: `b2c`, `reversal` and `status`; with `-timeout` where it has waited too long in a queue.
RESULTS = Webhook("/webhooks/mpesa/{secret}/{kind}", verify=is_from_mpesa, read=json_object, accepted=ACCEPTED)
# `validation` and `confirmation` of payments from M-Pesa's own menu. M-Pesa takes no address with its own name in it.
NOTICES = Webhook("/webhooks/c2b/{secret}/{kind}", verify=is_from_mpesa, read=json_object, accepted=ACCEPTED)


def is_usable(secret: str) -> bool:
    """Whether a secret can be part of an address that M-Pesa takes, and is long enough."""
    return USABLE.fullmatch(secret) is not None and not forbidden_in(secret)


def forbidden_in(address: str) -> list[str]:
    """The words in an address for which M-Pesa takes no address."""
    return [word for word in FORBIDDEN if word in address.lower()]


class Addresses:
    """Where M-Pesa posts to, as it is given the addresses."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadProvider without a secret."""
        own = settings.section(MpesaSettings)
        if not own.secrets:
            raise BadProvider("M-Pesa has nowhere to post to: set LANGO_MPESA_CALLBACK_SECRETS.")
        self.base = (own.callback_url or public_url(settings)).rstrip("/")
        self.secret = quote(own.secrets[0], safe="")

    def push(self, payment: UUID) -> str:
        return self._url(PAYMENT_CALLBACKS, payment=str(payment))

    def result(self, kind: str) -> str:
        return self._url(RESULTS, kind=kind)

    def notice(self, kind: str) -> str:
        return self._url(NOTICES, kind=kind)

    def _url(self, webhook: Webhook[dict[str, object]], **parameters: str) -> str:
        return self.base + webhook.path.format(secret=self.secret, **parameters)
