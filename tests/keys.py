"""A key for encrypted columns and keyed hashes, for a process whose settings come from the environment."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lango.settings import settings as settings_of_process

NAME = "LANGO_ENCRYPTION_KEYS"


@contextmanager
def having_keys() -> Iterator[None]:
    """The process has a key."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(NAME, f"tests:{base64.b64encode(bytes(range(32))).decode()}")
        settings_of_process.cache_clear()
        yield
    settings_of_process.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def keys() -> Iterator[None]:
    with having_keys():
        yield


@pytest.fixture
def keyless() -> Iterator[None]:
    """Nobody has configured a key."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(NAME)
        patched.setenv("LANGO_ALLOW_DEV_KEY", "0")
        settings_of_process.cache_clear()
        yield
    settings_of_process.cache_clear()
