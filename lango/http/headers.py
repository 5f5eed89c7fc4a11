"""The headers of a request, looked through once."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope


class RequestHeaders(Headers):
    """Starlette's own goes through all headers each time that one is looked for, and we look for a dozen."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        # The names that come more than once.
        self.repeated: list[str] = []
        if len(self._values) < len(scope["headers"]):
            self.repeated = [name for name, values in self._values.items() if len(values) > 1]

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()][0]

    def __contains__(self, key: Any) -> bool:
        return isinstance(key, str) and key.lower() in self._values

    def get(self, key: str, default: Any = None) -> Any:
        found = self._values.get(key.lower())
        return default if found is None else found[0]

    def getlist(self, key: str) -> list[str]:
        return list(self._values.get(key.lower(), ()))
