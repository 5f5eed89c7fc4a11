"""What an API key may be used for, by names: `read:Pot`, `mutate:redeemQrCode`, `subscribe:potUpdated`; `*` for all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

READ, MUTATE, SUBSCRIBE = "read", "mutate", "subscribe"
ALL = "*"
FORM = re.compile(rf"({READ}|{MUTATE}|{SUBSCRIBE}):(\*|[A-Za-z][A-Za-z0-9]*)")


def permission(kind: str, name: str) -> str:
    return f"{kind}:{name}"


def allows(granted: Collection[str], wanted: str) -> bool:
    """Whether a permission is among those that were granted, by its name or by the `*` of its kind."""
    return wanted in granted or permission(wanted.partition(":")[0], ALL) in granted


def missing(granted: Collection[str], wanted: Iterable[str]) -> list[str]:
    """Those of the wanted permissions that were not granted, in the order of their names."""
    return sorted(each for each in set(wanted) if not allows(granted, each))


@dataclass(frozen=True, slots=True)
class Known:
    """The permissions that there are in the API that is served."""

    names: frozenset[str] = frozenset()

    def unknown(self, wanted: Iterable[str]) -> list[str]:
        """Those that mean nothing."""
        kinds = {permission(kind, ALL) for kind in (READ, MUTATE, SUBSCRIBE)}
        return sorted(set(wanted) - self.names - kinds)
