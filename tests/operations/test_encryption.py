"""Encrypted columns: what is sealed opens where it was written, with its key, and nowhere else."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from lango.security.encryption import Keyring, NoEncryptionKey, Unreadable, keyring_of
from lango.security.keys import BadKey
from lango.settings import Settings
from models.security import TwoFactorAuth
from models.trading import CryptoPaymentMethod, CryptoWallet

DETAILS = CryptoPaymentMethod.account_details_encrypted
ROW = uuid4()
OLD, NEW = ("2025", bytes(range(32))), ("2026", bytes(range(32, 64)))


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize("plain", ["", "SN011 01520 000123456789", "نص 🎂", "a:b:c", "x" * 100_000])
def test_what_is_sealed_opens_again(plain: str) -> None:
    keys = Keyring([NEW])

    sealed = keys.seal(plain, DETAILS, ROW)

    assert keys.open(sealed, DETAILS, ROW) == plain
    assert sealed.startswith("v1:2026:")


def test_the_same_text_is_never_sealed_alike() -> None:
    keys = Keyring([NEW])

    assert len({keys.seal("the same", DETAILS, ROW) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("column", "row"),
    [(DETAILS, uuid4()), (CryptoWallet.encrypted_private_key, ROW), (TwoFactorAuth.secret, ROW)],
)
def test_in_another_row_or_column_it_does_not_open(column: Any, row: Any) -> None:
    keys = Keyring([NEW])
    sealed = keys.seal("a secret", DETAILS, ROW)

    with pytest.raises(Unreadable) as refused:
        keys.open(sealed, column, row)

    assert "secret" not in str(refused.value).replace("two_factor_auth.secret", "")


def test_the_first_key_seals_and_all_open() -> None:
    sealed = Keyring([OLD]).seal("kept", DETAILS, ROW)
    both = Keyring([NEW, OLD])

    assert both.open(sealed, DETAILS, ROW) == "kept"
    assert both.seal("kept", DETAILS, ROW).startswith("v1:2026:")
    with pytest.raises(Unreadable):
        Keyring([NEW]).open(sealed, DETAILS, ROW)


def test_under_another_keys_name_it_does_not_open() -> None:
    same = Keyring([("a", NEW[1]), ("b", NEW[1])])
    sealed = same.seal("kept", DETAILS, ROW)

    with pytest.raises(Unreadable):
        same.open(sealed.replace("v1:a:", "v1:b:"), DETAILS, ROW)


@pytest.mark.parametrize(
    ("value", "key_id"),
    [
        (Keyring([OLD]).seal("kept", DETAILS, ROW), "2025"), (Keyring([NEW]).seal("kept", DETAILS, uuid4()), "2026"),
        ("v1:2026:AAAA", "2026"), ("ZGVtbw==", None), ("number: 4711: Awa", None), ("v1:no id: Awa", None), ("", None),
    ],
    ids=["lost key", "another row", "damaged", "filler", "plain", "no key", "empty"],
)  # fmt: skip
def test_an_unreadable_value_names_its_key_and_nothing_else(value: str, key_id: str | None) -> None:
    with pytest.raises(Unreadable) as refused:
        Keyring([NEW]).open(value, DETAILS, ROW)

    assert refused.value.key_id == key_id
    assert not any(part and part in str(refused.value) for part in value.split(":")[2:])


@pytest.mark.parametrize(
    "value", ["", "plain", "v1:2026:", "v1:2026:!!!", "v1:2026:AAAA", "v2:2026:AAAA", "v1:2026:é", "v1"]
)
def test_what_was_never_sealed_does_not_open(value: str) -> None:
    with pytest.raises(Unreadable):
        Keyring([NEW]).open(value, DETAILS, ROW)


def test_a_changed_bit_is_detected() -> None:
    keys = Keyring([NEW])
    form, key_id, held = keys.seal("a text", DETAILS, ROW).split(":")
    raw = bytearray(base64.urlsafe_b64decode(held))

    for place in range(len(raw)):
        changed = bytes(byte ^ (place == at) for at, byte in enumerate(raw))
        with pytest.raises(Unreadable):
            keys.open(f"{form}:{key_id}:{base64.urlsafe_b64encode(changed).decode()}", DETAILS, ROW)


@pytest.mark.parametrize(
    "configured",
    [
        f"2026:{text(NEW[1])},2025:{text(OLD[1])}",
        f" 2026: {text(NEW[1])} ,\n2025:{text(OLD[1]).rstrip('=')},",
        orjson.dumps({"2026": text(NEW[1]), "2025": base64.urlsafe_b64encode(OLD[1]).decode()}).decode(),
    ],
)
def test_keys_are_configured_as_pairs_or_as_json(configured: str) -> None:
    keys = keyring_of(settings(encryption_keys=configured))

    assert keys.current == "2026"
    assert keys.open(Keyring([OLD]).seal("kept", DETAILS, ROW), DETAILS, ROW) == "kept"


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        ("2026:" + text(b"short"), "5 bytes, not 32"),
        ("2026:%%%", "not base64"),
        ("2026", "0 bytes"),
        ("two words:" + text(NEW[1]), "1 to 32 letters"),
        (f"a:{text(NEW[1])},a:{text(OLD[1])}", "Two encryption keys are called 'a'"),
        ("{", "no JSON object"),
        ('{"a": 1}', "base64 texts"),
        ("{}", "names no key"),
        (",", "names no key"),
    ],
)
def test_unusable_keys_are_refused_without_being_revealed(configured: str, message: str) -> None:
    with pytest.raises(BadKey, match=message) as refused:
        keyring_of(settings(encryption_keys=configured))

    assert text(NEW[1]) not in str(refused.value)


def test_without_a_key_nothing_is_encrypted(tmp_path: Path) -> None:
    with pytest.raises(NoEncryptionKey, match="LANGO_ENCRYPTION_KEYS"):
        keyring_of(settings(encryption_keys=None, data_dir=tmp_path, allow_dev_key=False))


def test_in_development_a_key_is_generated_once_and_kept(tmp_path: Path) -> None:
    dev = settings(encryption_keys=None, data_dir=tmp_path / "data", allow_dev_key=True)

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(lambda _: keyring_of(dev), range(16)))

    sealed = keys[0].seal("kept", DETAILS, ROW)
    assert all(each.open(sealed, DETAILS, ROW) == "kept" for each in keys)
    (file,) = (tmp_path / "data").iterdir()
    assert file.name == "dev-encryption-key"
    assert file.stat().st_mode & 0o777 == 0o600
