"""What does not fit together is found when the gateway starts, not when a provider calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import resolvers
from lango.providers.registry import PROVIDERS, BadRegistry, providers_in
from lango.providers.wave import EVENTS, WAVE
from lango.rules.handlers import BadHandlers, handlers_in
from resolvers.donations.wave_events import receive_wave_event

PROVIDER = """
from lango.providers.errors import ProviderRefused
from lango.providers.payloads import json_object
from lango.providers.provider import Provider
from lango.providers.warnings import WarningKind
from lango.providers.webhook import Webhook

class Refusal(ProviderRefused):
    provider = {name!r}
    warning = WarningKind({code!r}, {description!r}, "no")

P = Provider(
    {name!r}, lambda settings, closing: None, errors=[Refusal],
    webhooks=[Webhook({path!r}, verify=lambda settings, request: False, read=json_object)],
)
"""
HANDLER = """
from lango.rules.handlers import handles
from lango.providers.wave import EVENTS

@handles(EVENTS)
async def receive(services, delivery):
    raise NotImplementedError
"""

Package = Callable[..., ModuleType]


def provider(name: str, path: str = "", code: str = "", description: str = "d") -> str:
    return PROVIDER.format(name=name, path=path or f"/{name}", code=code or name, description=description)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """`package(one="…")`: a package with a folder of this code."""
    monkeypatch.syspath_prepend(tmp_path)

    def package(**folders: str) -> ModuleType:
        (tmp_path / "trial").mkdir()
        (tmp_path / "trial" / "__init__.py").touch()
        for name, code in folders.items():
            (tmp_path / "trial" / name).mkdir()
            (tmp_path / "trial" / name / "__init__.py").write_text(code, encoding="utf-8")
        return import_module("trial")

    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "trial"]:
        del sys.modules[name]


def test_a_folder_is_a_provider(package: Package) -> None:
    found = providers_in(package(b=provider("bank"), a=provider("atm")))

    assert [each.name for each in found] == ["atm", "bank"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"a": ""}, "trial.a declares 0 providers"),
        ({"a": provider("bank") + "Q = Provider('other', P.make)"}, "trial.a declares 2 providers"),
        ({"a": provider("bank"), "b": provider("bank", path="/other")}, "two of the provider bank"),
        ({"a": provider("bank", path="/x"), "b": provider("atm", path="/x")}, "two of the webhook /x"),
        (
            {"a": provider("bank", code="NO"), "b": provider("atm", code="NO", description="another")},
            "two of the warning NO",
        ),
        ({"a": provider("bank", code="NOT_YET_FINISHED")}, "two of the warning NOT_YET_FINISHED"),
    ],
)
def test_what_does_not_fit_is_named(package: Package, folders: dict[str, str], message: str) -> None:
    with pytest.raises(BadRegistry, match=message):
        providers_in(package(**folders))


def test_providers_that_are_alike_share_a_warning(package: Package) -> None:
    assert len(providers_in(package(a=provider("bank", code="NO"), b=provider("atm", code="NO")))) == 2


def test_every_webhook_has_its_handler() -> None:
    handlers = handlers_in(resolvers, PROVIDERS)

    assert {handler.webhook for handler in handlers} == {each for p in PROVIDERS for each in p.webhooks}
    assert receive_wave_event in handlers
    assert receive_wave_event.webhook is EVENTS


@pytest.mark.parametrize(("folders", "count"), [({"a": ""}, 0), ({"a": HANDLER, "b": HANDLER}, 2)])
def test_a_webhook_without_one_handler_is_named(package: Package, folders: dict[str, str], count: int) -> None:
    with pytest.raises(BadHandlers, match=f"/webhooks/wave has {count} handlers in trial"):
        handlers_in(package(**folders), [WAVE])


def test_a_handler_may_be_imported_elsewhere(package: Package) -> None:
    assert len(handlers_in(package(a=HANDLER, b="from trial.a import receive"), [WAVE])) == 1


def test_a_handler_of_nobodys_webhook_is_named(package: Package) -> None:
    with pytest.raises(BadHandlers, match="No provider declares /webhooks/wave"):
        handlers_in(package(a=HANDLER), [])
