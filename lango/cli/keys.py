"""`lango keys`: the keys that sign access tokens."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.markup import escape

from lango.cli.console import err, fail
from lango.security.key_folder import MADE_FORM
from lango.settings import Settings, settings


def new(directory: Path | None) -> None:
    current = settings()
    configured = folder_in(current)
    directory = directory or configured
    if directory is None:
        fail("LANGO_TOKEN_KEYS is no directory: name one, `lango keys new keys`, and set LANGO_TOKEN_KEYS to it.")
    path = write_key(directory)
    typer.echo(path)
    err.print(f"[green]✓[/] an Ed25519 key, which only {escape(path.owner())} can read")
    if configured is None or configured.resolve() != directory.resolve():
        err.print(f"[dim]→ Set LANGO_TOKEN_KEYS={escape(str(directory))}[/]")
        return
    err.print(
        f"[dim]It verifies from now on, and signs in {current.token_key_delay / 60:g} minutes, without a restart. "
        f"Remove an older file {current.token_lifetime / 60:g} minutes after that: its tokens have ended then. Removed "
        "sooner, it is withdrawn: its tokens are refused within a second.[/]"
    )


def folder_in(current: Settings) -> Path | None:
    """The directory of the settings, which need not be there yet."""
    text = current.token_keys.get_secret_value().strip() if current.token_keys else ""
    if not text or text[0] in "[{" or Path(text).suffix or Path(text).is_file():
        return None
    return Path(text)


def write_key(directory: Path) -> Path:
    """A new private key in that directory, whose name says when it was made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):{MADE_FORM}}-{secrets.token_hex(3)}"
    written = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Under another name first: a gateway that looks at this moment must not find half of it.
    draft, path = directory / f"{name}.new", directory / f"{name}.pem"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(written)
    return draft.rename(path)
