"""A session whose tokens the client keeps in cookies, where no script reads them: in no payload and in no input.

By their names: a rule gives `access_token` and `refresh_token`, and takes `refresh_token`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from lango.errors import BadUserInput

ACCESS, REFRESH = "access_token", "refresh_token"
# The rules by which a session ends, and the input of one with which it does not.
ENDING, GOING_ON = frozenset({"sign_out", "sign_out_everywhere"}), "except_this"


class Tokens(NamedTuple):
    """What a rule has given."""

    access: str | None
    refresh: str | None


class CookieSession:
    """What a request brought by cookies, and what its answer is to set."""

    def __init__(self, refresh_token: str | None = None, *, settable: bool = True) -> None:
        """`settable`: the transport can set cookies with the answer; a socket cannot."""
        self._brought = refresh_token
        self._settable = settable
        self._renews = False
        # What the client is to keep from here on, and whether it is to forget what it has.
        self.given: Tokens | None = None
        self.ended = False

    def bring(self, takes: Iterable[str], gives: Iterable[str], arguments: dict[str, Any]) -> None:
        """Put what came by cookie into the arguments of a rule that takes it, unless the input has it.

        Raises BadUserInput for a rule that gives tokens where no cookie can be set.
        """
        if ACCESS in gives and not self._settable:
            raise BadUserInput("A socket that was opened by a cookie gets no tokens: send this by HTTP.")
        if REFRESH in takes and self._brought is not None and arguments.get(REFRESH) is None:
            arguments[REFRESH] = self._brought
            self._renews = True

    def keep(self, rule: str, arguments: dict[str, Any], values: dict[str, Any], *, refused: bool, done: bool) -> None:
        """Take out of a payload what goes into cookies. `done`: it was no dry run."""
        if refused:
            # The session has ended: its cookies open nothing any more.
            self.ended = self.ended or self._renews
            return
        tokens = Tokens(values.get(ACCESS), values.get(REFRESH))
        values.update((name, None) for name in (ACCESS, REFRESH) if name in values)
        if done and any(tokens):
            self.given, self.ended = tokens, False
        elif done and rule in ENDING and not arguments.get(GOING_ON):
            self.given, self.ended = None, True
