"""Names: a model's plural and the camel case of the API."""

from __future__ import annotations

from lango.names import snake
from models.base import Base


def camel(name: str) -> str:
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def unkeyed(name: str) -> str:
    """The name of a column where no node is: `rowId` for `id`, by which caches would take the object for a node."""
    return "rowId" if name == "id" else camel(name)


def singular(model: type[Base]) -> str:
    """`qr_code` of QrCode: the root field that takes an id."""
    return snake(model.__name__)


def plural(model: type[Base]) -> str:
    """`qr_codes` of QrCode: the root field that lists."""
    if model.__plural__:
        return model.__plural__
    name = singular(model)
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def words(name: str) -> str:
    return name.replace("_", " ")
