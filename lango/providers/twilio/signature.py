"""The signature of Twilio's webhooks: HMAC-SHA1 over the address as Twilio calls it, and the sorted fields."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl

HEADER = "x-twilio-signature"
MAX_FIELDS = 200


def verify(tokens: Sequence[str], header: str, url: str, body: bytes) -> bool:
    """Whether one of the tokens has signed this form at this address. Raises ValueError where it is no form."""
    fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    right = False
    for token in tokens:
        # All of them, always: the time taken gives no hint of which was nearly right.
        right |= hmac.compare_digest(sign(token, url, fields).encode(), header.encode())
    return right


def sign(token: str, url: str, fields: Sequence[tuple[str, str]]) -> str:
    """The header that Twilio would send. Of a name that comes twice each value counts once, in order."""
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
