"""Who may post to M-Pesa's webhooks, where they are, and what the doctor says of the settings."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from lango.doctor import Level
from lango.providers import BadProvider
from lango.providers.mpesa import MPESA, MpesaSettings
from lango.providers.mpesa.settings import SANDBOX_SECRET
from lango.providers.mpesa.webhook import CALLBACKS, NOTICES, PAYMENT_CALLBACKS, RESULTS, Addresses
from lango.providers.webhook import WebhookRequest
from lango.rules.services import try_clients
from lango.settings import Settings
from tests.providers.mpesa import LIVE, PAYMENT, SECRET, settings_of

OLD = "zyxwvutsrqponmlkjihg"
INITIATED = {"initiator": "lango", "initiator_password": "p"}
FULL = LIVE | {"shortcode": "600638"}
WITHOUT_PAYOUTS = "cannot pay out"


def verified(settings: Settings, secret: str, address: str | None = "196.201.214.200") -> bool:
    request = WebhookRequest(
        id="1", path="/", parameters={"secret": secret}, query="", headers=Headers(),
        address=ip_address(address) if address else None, body=b"{}",
    )  # fmt: skip
    (verdict,) = {webhook.verify(settings, request) for webhook in (CALLBACKS, PAYMENT_CALLBACKS, RESULTS, NOTICES)}
    return verdict


@pytest.mark.parametrize(
    ("secret", "right"),
    [(SECRET, True), (OLD, True), ("", False), (SECRET[:-1], False), (SECRET + "x", False), ("é", False)],
)
def test_who_knows_a_secret_may_post(tmp_path: Path, secret: str, right: bool) -> None:
    settings = settings_of(tmp_path, LIVE | {"callback_secrets": f" {SECRET} ,{OLD},"})

    assert verified(settings, secret) is right


def test_without_a_secret_nobody_may_post(tmp_path: Path) -> None:
    assert not verified(settings_of(tmp_path), "")
    assert not verified(settings_of(tmp_path), SANDBOX_SECRET)
    assert verified(settings_of(tmp_path, {"chosen": "sandbox"}), SANDBOX_SECRET)


@pytest.mark.parametrize(
    ("address", "right"), [("196.201.214.200", True), ("196.201.213.7", True), ("1.1.1.1", False), (None, False)]
)
def test_only_from_where_it_may(tmp_path: Path, address: str | None, right: bool) -> None:
    settings = settings_of(tmp_path, LIVE | {"addresses": "196.201.214.200, 196.201.213.0/24"})

    assert verified(settings, SECRET, address) is right
    assert not verified(settings, OLD, address)


def test_where_mpesa_posts_to(tmp_path: Path) -> None:
    addresses = Addresses(settings_of(tmp_path, LIVE | {"callback_secrets": f"{SECRET},{OLD}"}))

    assert addresses.push(PAYMENT) == f"https://lango.test/webhooks/mpesa/{SECRET}/push/{PAYMENT}"
    assert addresses.result("b2c-timeout") == f"https://lango.test/webhooks/mpesa/{SECRET}/b2c-timeout"
    assert addresses.notice("validation") == f"https://lango.test/webhooks/c2b/{SECRET}/validation"


def test_mpesa_may_reach_the_gateway_elsewhere(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, LIVE | {"callback_url": "https://hooks.lango.test/"})

    assert Addresses(settings).notice("confirmation") == f"https://hooks.lango.test/webhooks/c2b/{SECRET}/confirmation"


@pytest.mark.parametrize(
    ("mpesa", "values", "messages"),
    [
        ({}, {}, []),
        ({"chosen": "sandbox"}, {}, []),
        ({"chosen": "sandbox"}, {"host": "0.0.0.0"}, ["balances fill for nothing"]),  # noqa: S104
        ({"chosen": "live"}, {}, ["LANGO_MPESA_CONSUMER_KEY", WITHOUT_PAYOUTS, "sandbox: nobody can pay"]),
        (FULL | {"passkey": None}, {}, ["LANGO_MPESA_PASSKEY", WITHOUT_PAYOUTS]),
        (FULL | {"callback_secrets": " , "}, {}, ["LANGO_MPESA_CALLBACK_SECRETS", WITHOUT_PAYOUTS]),
        (FULL, {}, [WITHOUT_PAYOUTS]),
        (FULL | INITIATED, {}, [WITHOUT_PAYOUTS]),
        (FULL | INITIATED | {"certificate": "/no/such"}, {}, ["LANGO_MPESA_CERTIFICATE cannot be read"]),
        (FULL, {"public_url": None}, [WITHOUT_PAYOUTS, "https addresses only"]),
        (FULL | {"api_url": "http://api.test"}, {}, ["must be an https address", WITHOUT_PAYOUTS]),
        (LIVE | {"api_url": "https://sandbox.safaricom.co.ke"}, {}, [WITHOUT_PAYOUTS]),
        (FULL | {"callback_secrets": "short"}, {}, [WITHOUT_PAYOUTS, "can be guessed"]),
        (FULL | {"callback_secrets": "0123456789/bcdefghij"}, {}, [WITHOUT_PAYOUTS, "cannot be part of an address"]),
        (FULL | {"callback_secrets": "0123456789MPESAcdefghij"}, {}, [WITHOUT_PAYOUTS, "cannot be part of an address"]),
    ],
)
def test_the_doctor_looks_at_mpesa(
    tmp_path: Path, mpesa: dict[str, Any], values: dict[str, Any], messages: list[str]
) -> None:
    found = list(MPESA.checks(settings_of(tmp_path, mpesa, **values)))

    assert len(found) == len(messages)
    for finding, part in zip(found, messages, strict=True):
        assert part in finding.says
        assert finding.level is (Level.WARNING if part is WITHOUT_PAYOUTS else Level.ERROR)
        assert finding.remedy
        assert SECRET not in finding.says + finding.remedy


@pytest.mark.parametrize(
    ("mpesa", "message"),
    [
        ({"chosen": "live"}, "LANGO_MPESA_CONSUMER_KEY"),
        (LIVE | {"callback_secrets": None}, "LANGO_MPESA_CALLBACK_SECRETS"),
        (LIVE | {"api_url": "http://api.safaricom.co.ke"}, "must be an https address"),
        (LIVE | INITIATED | {"certificate": "/no/such"}, "cannot be read"),
    ],
)
async def test_settings_that_cannot_be(tmp_path: Path, mpesa: dict[str, Any], message: str) -> None:
    with pytest.raises(BadProvider, match=message):
        await try_clients(settings_of(tmp_path, mpesa))


@pytest.mark.parametrize(
    "values", [{"zone": "Africa/Atlantis"}, {"addresses": "somewhere"}, {"shortcode": "L7"}, {"timeout": 0}]
)
def test_settings_that_say_nothing(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MpesaSettings(_env_file=None, **values)


def test_development_takes_the_sandbox(tmp_path: Path) -> None:
    assert MPESA.development(settings_of(tmp_path)) == {"LANGO_MPESA": "sandbox"}
    assert MPESA.development(settings_of(tmp_path, {"chosen": "off"})) == {}
