"""How large an answer may still become, counted while it is put together."""

from __future__ import annotations

from lango.errors import AnswerTooLarge


class ResponseSize:
    """The bytes that are left of an answer's largest size."""

    __slots__ = ("_limit", "left")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.left = limit

    def take(self, size: int) -> None:
        """Raises AnswerTooLarge where so much is not left, and so for everything after it."""
        self.left -= size
        self.check()

    def close(self) -> None:
        """Nothing is left: somebody else found that it is too large."""
        self.left = -1

    def check(self) -> None:
        if self.left < 0:
            raise AnswerTooLarge(self._limit)
