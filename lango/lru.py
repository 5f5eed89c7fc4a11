"""A cache that is bounded by number and by weight, and forgets what was used longest ago."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Values by key. A value heavier than the whole cache is not kept."""

    def __init__(self, size: int, *, weight: int | None = None) -> None:
        self.size = size
        self.weight = weight
        self._held = 0
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        self.drop(key)
        if self.weight is not None and weight > self.weight:
            return
        self._items[key] = (value, weight)
        self._held += weight
        while len(self._items) > self.size or (self.weight is not None and self._held > self.weight):
            _, (_, dropped) = self._items.popitem(last=False)
            self._held -= dropped

    def drop(self, key: K) -> None:
        found = self._items.pop(key, None)
        if found is not None:
            self._held -= found[1]
