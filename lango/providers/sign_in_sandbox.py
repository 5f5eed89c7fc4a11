"""A twin of the providers of accounts: everybody is who they say they are, and signs in by the provider's own protocol.

`POST /sandbox/<provider>/authorize` with the query of an authorization request takes `subject`, `email`,
`email_verified` and `username`, and sends the browser back with a code; `response_type=id_token` gives an id token at
once, as a provider's own button does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.addresses import public_url
from lango.providers.sign_in import SANDBOX_CLIENT, SANDBOX_SECRET, SignInSettings
from lango.security.keys import kept_once
from lango.settings import Settings

KEY_FILE, CODES_FOLDER = "sandbox-sign-in-key.pem", "sandbox-sign-in-codes"
KID = "sandbox"
CODE_LASTS, TOKEN_LASTS = 60, 3_600
SUBJECT = re.compile(r"[A-Za-z0-9._@+-]{1,100}")
NAMES = {"google": "Google", "telegram": "Telegram", "github": "GitHub"}
PAGE = Template("""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>$name sandbox</title>
<h1>$name sandbox</h1>
<p>Who are you there? No account is asked anywhere.</p>
<form method="post" action="?$query">
<p><label>Number or name <input name="subject" value="1001" required></label>
<p><label>Email <input name="email" type="email"></label>
<label><input name="email_verified" type="checkbox" value="true" checked> verified</label>
<p><label>Shown as <input name="username"></label>
<p><button>Sign in</button>
</form>
</html>
""")


class SandboxAccounts:
    """One provider's twin: its page in the gateway, and the endpoints that the client calls inside the process.

    What it gives out is signed and says everything, so that every process can read it; a code is used once, which a
    file in the data's folder notes.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self.folder = settings.data_dir
        self.authorization_url = f"{public_url(settings)}/sandbox/{name}/authorize"
        self.app = Starlette()
        self.issuer = name

    def speak_openid(self, issuer: str, token_url: str, keys_url: str) -> None:
        """Answer as a provider of OpenID Connect at those addresses."""
        self.issuer = issuer
        self.app = Starlette(
            routes=[
                Route(urlsplit(token_url).path, self.token, methods=["POST"]),
                Route(urlsplit(keys_url).path, self.keys, methods=["GET"]),
            ]
        )

    def speak_github(self, token_url: str, user_url: str) -> None:
        """Answer as GitHub at those addresses: with an access token, and the account that it opens."""
        self.app = Starlette(
            routes=[
                Route(urlsplit(token_url).path, self.access_token, methods=["POST"]),
                Route(urlsplit(user_url).path, self.user, methods=["GET"]),
            ]
        )

    async def show(self, request: Request) -> Response:
        """The page on which somebody says who they are."""
        page = PAGE.substitute(name=NAMES.get(self.name, self.name), query=escape(request.url.query))
        return Response(page, media_type="text/html", headers={"cache-control": "no-store"})

    async def authorize(self, request: Request) -> Response:
        """Back to where the request wants it, with a code or an id token."""
        asked = dict(request.query_params)
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=20))
        subject = form.get("subject", "1001")
        back = asked.get("redirect_uri", "")
        if asked.get("client_id") != SANDBOX_CLIENT or not SUBJECT.fullmatch(subject):
            return JSONResponse({"error": "invalid_request"}, 400)
        account = {
            "sub": subject,
            "email": form.get("email") or None,
            "email_verified": form.get("email_verified") == "true",
            "preferred_username": form.get("username") or None,
        }
        state = {"state": asked["state"]} if "state" in asked else {}
        if asked.get("response_type") == "id_token":
            token = await run_in_threadpool(self.id_token, account, asked.get("nonce", ""))
            answer, join = {"id_token": token, **state}, "#"
        else:
            asking = {name: asked.get(name, "") for name in ("redirect_uri", "code_challenge", "nonce")}
            code = await run_in_threadpool(self.signed, "code", CODE_LASTS, {"account": account, **asking})
            answer, join = {"code": code, **state}, "&" if "?" in back else "?"
        if not back:
            return JSONResponse(answer)
        return Response(status_code=303, headers={"location": f"{back}{join}{urlencode(answer)}"})

    async def token(self, request: Request) -> Response:
        code = await self.redeemed(request)
        if code is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = await run_in_threadpool(self.id_token, code["account"], code["nonce"])
        access = secrets.token_urlsafe(16)
        return JSONResponse({"id_token": token, "access_token": access, "token_type": "Bearer", "expires_in": 3600})

    async def access_token(self, request: Request) -> Response:
        code = await self.redeemed(request)
        if code is None:
            # GitHub answers 200 to this as well.
            return JSONResponse({"error": "bad_verification_code"})
        token = await run_in_threadpool(self.signed, "access", TOKEN_LASTS, {"account": code["account"]})
        return JSONResponse({"access_token": token, "scope": "read:user", "token_type": "bearer"})

    async def user(self, request: Request) -> Response:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        read = await run_in_threadpool(self.read, "access", token)
        if read is None:
            return JSONResponse({"message": "Bad credentials"}, 401)
        account = read["account"]
        number = account["sub"]
        return JSONResponse({
            "id": int(number) if number.isdecimal() else number,
            "login": account["preferred_username"] or f"user{number}",
            "email": account["email"],
        })  # fmt: skip

    async def keys(self, _: Request) -> Response:
        key = await run_in_threadpool(self.key)
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        # Real sets have keys that nobody here can use: one of those must not spoil the others.
        unusable = {"kty": "EC", "crv": "secp256k1", "alg": "ES256K", "kid": "unusable", "x": "AA", "y": "AA"}
        return JSONResponse({"keys": [unusable, jwk | {"kid": KID, "use": "sig", "alg": "RS256"}]})

    async def redeemed(self, request: Request) -> Mapping[str, Any] | None:
        """What a code says that is good, for whoever began with it, and has not been used."""
        form = dict(parse_qsl((await request.body()).decode("ascii", "replace"), max_num_fields=20))
        code = await run_in_threadpool(self.read, "code", form.get("code", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            code is None
            or (form.get("client_id"), form.get("client_secret")) != (SANDBOX_CLIENT, SANDBOX_SECRET)
            or code["redirect_uri"] != form.get("redirect_uri")
            or not hmac.compare_digest(code["code_challenge"], verifier)
            or not await run_in_threadpool(self.use, code["jti"])
        ):
            return None
        return code

    def id_token(self, account: Mapping[str, Any], nonce: str) -> str:
        given = {name: value for name, value in account.items() if value is not None}
        return self.signed("id", TOKEN_LASTS, {**given, "iss": self.issuer, "aud": SANDBOX_CLIENT, "nonce": nonce})

    def signed(self, use: str, lasts: int, claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        moments = {"iat": now, "exp": now + lasts, "jti": secrets.token_hex(16)}
        return jwt.encode({**claims, **moments}, self.key(), "RS256", {"kid": KID, "use": use})

    def read(self, use: str, token: str) -> dict[str, Any] | None:
        try:
            if jwt.get_unverified_header(token).get("use") != use:
                return None
            read: dict[str, Any] = jwt.decode(token, self.key().public_key(), ["RS256"])
        except (jwt.PyJWTError, ValueError):
            return None
        return read

    def use(self, code_id: str) -> bool:
        """Whether this is the first use of a code."""
        folder = self.folder / CODES_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(folder / code_id, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def key(self) -> RSAPrivateKey:
        """The sandbox's own key, made when it is first wanted and kept for all processes."""
        path: Path = kept_once(self.folder / KEY_FILE, _new_key)
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        return key


def routes_of(name: str, kind: type[SignInSettings], issuer: str) -> Any:
    """The page of a provider's sandbox; none unless that is on."""

    def routes(settings: Settings) -> Iterable[Route]:
        if settings.section(kind).mode != "sandbox":
            return []
        sandbox = SandboxAccounts(settings, name)
        sandbox.issuer = issuer
        path = urlsplit(sandbox.authorization_url).path
        return [Route(path, sandbox.show, methods=["GET"]), Route(path, sandbox.authorize, methods=["POST"])]

    return routes


def _new_key() -> bytes:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
