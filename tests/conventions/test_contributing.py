"""CONTRIBUTING.md: the mutation that it adds is one."""

from __future__ import annotations
import __future__

import re
from typing import Any

import pytest

from lango.actor import Actor
from lango.rules.rule import Rule
from lango.rules.services import Services
from models.identity import User
from models.pots import Pot
from resolvers.kernel.running import run
from resolvers.pots import pots
from tests.changes import Changes
from tests.conventions.test_layers import ROOT, lines
from tests.factories import Factory

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Add a mutation\n")[2]


@pytest.fixture(scope="module")
def rename_pot() -> Rule[..., Any]:
    """The rule of the text, as it would be at the end of `resolvers/pots/pots.py`."""
    block = SECTION.partition("```python\n")[2].partition("```")[0]
    code = "\n".join(line.removeprefix("   ") for line in block.splitlines())
    flags = __future__.annotations.compiler_flag
    module = dict(vars(pots))
    exec(compile(code, "CONTRIBUTING.md", "exec", flags, dont_inherit=True), module)  # noqa: S102 - our own text
    added: Rule[..., Any] = module["rename_pot"]
    return added


async def test_the_rule_does_what_the_text_says(
    rename_pot: Rule[..., Any], services: Services, make: Factory, changes: Changes
) -> None:
    mine, ended, stranger = await make(Pot), await make(Pot, status="expired"), await make(User)
    renamed = await run(services, Actor(mine.owner_user_id), rename_pot, {"pot_id": mine.id, "title": " Awa "})
    before = await changes.mark()

    refused = [
        await run(services, Actor(who), rename_pot, {"pot_id": ended.id, "title": title})
        for who, title in [(ended.owner_user_id, "Awa"), (ended.owner_user_id, " "), (stranger.id, "Awa")]
    ]

    assert renamed.values == {"pot": [str(mine.id)]}
    assert [outcome.refusals[0]["code"] for outcome in refused] == ["POT_ENDED", "TEXT_MISSING", "NOT_FOUND"]
    assert await changes.since(before) == []


def test_the_codes_are_those_of_the_text(rename_pot: Rule[..., Any]) -> None:
    said = next(line for line in SECTION.splitlines() if "RenamePotErrorCode:" in line).split(":")[1].split()
    assert [refusal.code() for refusal in rename_pot.refusals] == said


def test_sections_that_are_linked_to_are_there() -> None:
    """In both documents that a newcomer reads."""
    for name in ("README.md", "CONTRIBUTING.md"):
        headings = {
            re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
            for line in lines(name)
            if line.startswith("#")
        }
        linked = {link for line in lines(name) for link in re.findall(r"\]\(#([^)]+)\)", line)}
        assert linked
        assert linked - headings == set()
