"""A key for encrypted columns and keyed hashes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lango.rules.services import Services
from lango.security.encryption import usable_keyring
from lango.settings import Settings

KEYS = f"tests:{base64.b64encode(bytes(range(32))).decode()}"


@contextmanager
def having_keys() -> Iterator[None]:
    """Processes that are started meanwhile have a key."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LANGO_ENCRYPTION_KEYS", KEYS)
        yield


@pytest.fixture
def keyless(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has configured a key."""
    without = settings.model_copy(update={"encryption_keys": None, "allow_dev_key": False})
    monkeypatch.setattr(Services, "keyring", property(lambda _: usable_keyring(without)))
