"""What rules name, the demo data has: the template of each notification, and each number that staff may change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import NamedTuple

import pytest
from jsonschema import Draft202012Validator

import gql
import resolvers
from resolvers.kernel.system_config import Configured
from seeds.admin import NUMBERS
from seeds.notifications import TEMPLATES, variables_of

ROOT = Path(__file__).resolve().parents[2]
# Which argument names the template.
TEMPLATE_ARGUMENT = {"notify": 2, "queue": 2, "send_to": 3}
# Queues what others send.
KERNEL = "resolvers/kernel/notifications.py"


class Sent(NamedTuple):
    """A notification that a rule sends, with what it gives the template."""

    place: str
    template: str
    given: frozenset[str]


def calls(*names: str) -> Iterator[tuple[str, str, ast.Call]]:
    """Where rules call one of these functions: the place, the function and the call."""
    for path in sorted([*(ROOT / "resolvers").rglob("*.py"), *(ROOT / "gql").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                name = getattr(called, "attr", None) or getattr(called, "id", None)
                if name in names:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", name, node


def word(node: ast.expr) -> str:
    """The text that a rule writes in plain; empty where it is worked out, which nobody could look up."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


SENT = [
    Sent(place, word(call.args[TEMPLATE_ARGUMENT[name]]), frozenset(key.arg or "" for key in call.keywords))
    for place, name, call in calls(*TEMPLATE_ARGUMENT)
    if not place.startswith(KERNEL)
]


def configured() -> dict[str, set[Decimal]]:
    """Each number that rules read, with what holds without a row."""
    found: dict[str, set[Decimal]] = {}
    for package in (resolvers, gql):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(module.name)).values():
                for each in value.values() if isinstance(value, dict) else (value,):
                    if isinstance(each, Configured):
                        found.setdefault(each.key, set()).add(Decimal(each.default))
    return found


def test_rules_send_notifications() -> None:
    assert {"pot_opened", "pot_invitation"} <= {sent.template for sent in SENT}


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.place)
def test_each_notification_has_a_template(sent: Sent) -> None:
    assert sent.template in TEMPLATES
    # A placeholder without a value would stay empty in the message.
    assert variables_of(*TEMPLATES[sent.template]).keys() - sent.given == set()


def test_each_number_that_rules_read_is_found() -> None:
    assert {word(call.args[0]) for _, _, call in calls("Configured")} == configured().keys()


def test_each_number_is_configured_as_rules_have_it_without() -> None:
    assert {key: {Decimal(str(NUMBERS[key].value))} if key in NUMBERS else None for key in configured()} == configured()


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_what_its_schema_allows(key: str) -> None:
    number = NUMBERS[key]
    schema = Draft202012Validator(number.schema)

    Draft202012Validator.check_schema(number.schema)
    assert schema.is_valid(number.value)
    assert not schema.is_valid(number.least - 1)
    assert not schema.is_valid(number.most + 1)
    assert schema.is_valid(0.5 + number.least) is not number.whole
    assert not schema.is_valid("1")
