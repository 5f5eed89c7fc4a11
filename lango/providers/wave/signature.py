"""The signature of Wave's webhooks: HMAC-SHA256 over the moment and the raw body, with nothing between."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

HEADER = "wave-signature"
# Seconds that a signature's moment may lie from ours, before or after.
WINDOW = 300
# One moment, and a signature for each of the secrets that Wave has at the time. Whatever else is refused unread.
FORM = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-f]{64}){1,8})")


def verify(secrets: Sequence[str], header: str, body: bytes, now: float) -> bool:
    """Whether one of the secrets has signed this body, and not long ago; `now` is in seconds since 1970."""
    form = FORM.fullmatch(header)
    if form is None or abs(now - int(form[1])) > WINDOW:
        return False
    given = [part.removeprefix("v1=") for part in form[2].split(",")[1:]]
    right = False
    for secret in secrets:
        expected = digest(secret, form[1], body)
        for signature in given:
            # All of them, always: the time taken gives no hint of which was nearly right.
            right |= hmac.compare_digest(expected, signature)
    return right


def sign(secrets: Sequence[str], body: bytes, now: float) -> str:
    """The header that Wave would send."""
    moment = str(int(now))
    return ",".join([f"t={moment}", *(f"v1={digest(secret, moment, body)}" for secret in secrets)])


def digest(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), moment.encode() + body, "sha256").hexdigest()
