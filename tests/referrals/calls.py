"""What is sent to invite people, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.client import Answer


def error_of(answer: Answer, name: str) -> dict[str, Any]:
    """The only refusal."""
    (error,) = answer[name]["userErrors"]
    return dict(error)


def phones(count: int, begin: int = 0) -> list[dict[str, str]]:
    return [{"phone": f"+22177{1_000_000 + begin + place}"} for place in range(count)]
