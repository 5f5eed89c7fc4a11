"""Id tokens of OpenID Connect: an issuer's signed word on who somebody is, for one challenge of ours.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from lango.errors import ServiceUnavailable
from lango.security.jwks import PublishedKeys

LONGEST_TOKEN = 8_192
LONGEST_SUBJECT = 255
REQUIRED = ["exp", "iat", "iss", "aud", "sub", "nonce"]


class BadIdToken(ValueError):
    """This is no id token that the issuer has signed for us and this challenge; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose id tokens are believed: all spellings of the issuer's name, our ids there, and its keys."""

    names: Sequence[str]
    client_ids: Sequence[str]
    keys: PublishedKeys
    # Seconds by which its clock may differ from ours.
    leeway: float = 60.0

    async def claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What a token says that was made for that nonce. Raises BadIdToken, and ServiceUnavailable while the keys
        cannot be read."""
        if len(token) > LONGEST_TOKEN:
            raise BadIdToken("too long")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self.keys.get(kid if isinstance(kid, str) else None)
            if key is None:
                raise BadIdToken("signed by an unknown key")
            # The key decides the algorithm, never the token.
            claims = jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                leeway=self.leeway,
                options={"require": REQUIRED, "verify_aud": False, "verify_iss": False},
            )
        except jwt.PyJWTError as error:
            raise BadIdToken(str(error)) from None
        except (BadIdToken, ServiceUnavailable):
            raise
        # PyJWT lets the errors of what it calls through: an `exp` of 1e400, a header nested too deep.
        except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            raise BadIdToken(type(error).__name__) from None
        self._check(claims, nonce)
        return claims

    def _check(self, claims: Mapping[str, Any], nonce: str) -> None:
        if _name(claims["iss"]) not in {_name(name) for name in self.names}:
            raise BadIdToken("of another issuer")
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not any(each in self.client_ids for each in audience):
            raise BadIdToken("for another audience")
        # Where it is for several, or was requested by another client, that client must be ours as well.
        party = claims.get("azp")
        if (party is not None or len(audience) > 1) and party not in self.client_ids:
            raise BadIdToken("requested by another party")
        given = claims["nonce"]
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise BadIdToken("for another nonce")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise BadIdToken("without a subject")


def _name(issuer: Any) -> Any:
    """Issuers are named with and without a slash at the end."""
    return issuer.rstrip("/") if isinstance(issuer, str) else issuer
