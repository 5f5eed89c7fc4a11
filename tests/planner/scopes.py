"""Which response keys of an object are taken, and by what: the same key must mean the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Entry:
    """What stands behind a response key."""

    parent: str
    name: str
    arguments: str
    kind: str
    below: Scope | None


class Scope(dict[str, Entry]):
    """The response keys of one object: the same key must mean the same."""

    def takes(self, key: str, entry: Entry) -> bool:
        """Whether the entry may stand here beside what stands here already."""
        known = self.get(key)
        if known is None:
            return True
        if known.parent != entry.parent and known.parent != "Node" and entry.parent != "Node":
            # Of two types an object has one only: there the key may mean two things, if they look the same.
            return known.kind == entry.kind and known.below is None and entry.below is None
        if (known.name, known.arguments, known.kind) != (entry.name, entry.arguments, entry.kind):
            return False
        return known.below is None or entry.below is None or known.below.takes_all(entry.below)

    def takes_all(self, other: Scope) -> bool:
        return all(self.takes(key, entry) for key, entry in other.items())

    def absorb(self, other: Scope) -> None:
        for key, entry in other.items():
            known = self.get(key)
            if known is None:
                self[key] = entry
            elif known.below is not None and entry.below is not None and known.below is not entry.below:
                known.below.absorb(entry.below)
