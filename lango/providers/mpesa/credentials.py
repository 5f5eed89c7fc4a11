"""What Daraja knows us by: the password of a push, and the initiator's password under Safaricom's certificate."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from lango.providers.errors import BadProvider

PEM = "-----BEGIN CERTIFICATE-----"


def timestamp(at: datetime) -> str:
    """A moment as Daraja writes it; it must be in M-Pesa's zone."""
    return at.strftime("%Y%m%d%H%M%S")


def password(shortcode: str, passkey: str, stamp: str) -> str:
    """The password of an STK push at the moment `stamp`. Blanks that were copied with the passkey do not count."""
    return base64.b64encode(f"{shortcode}{passkey.strip()}{stamp}".encode()).decode()


def security_credential(initiator_password: str, certificate: str) -> str:
    """The initiator's password, which only Safaricom can read; `certificate` is a file's path, or PEM.

    Raises BadProvider.
    """
    key = _certificate(certificate).public_key()
    if not isinstance(key, RSAPublicKey):
        raise BadProvider("LANGO_MPESA_CERTIFICATE is not Safaricom's: its key is no RSA key.")
    return base64.b64encode(key.encrypt(initiator_password.encode(), PKCS1v15())).decode()


def _certificate(given: str) -> x509.Certificate:
    try:
        content = given.encode() if PEM in given else Path(given).read_bytes()
        if PEM.encode() in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except OSError as error:
        raise BadProvider(f"LANGO_MPESA_CERTIFICATE cannot be read ({error.strerror}).") from None
    except ValueError:
        raise BadProvider("LANGO_MPESA_CERTIFICATE is no X.509 certificate.") from None
