"""PostgreSQL's wire protocol, as far as it is spoken here: messages, parameters as text, and the rows that come back.

Everything crosses as text: PostgreSQL writes it as it does in a cast, and Python reads most of it by one call in C.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from functools import lru_cache, partial
from ipaddress import ip_address, ip_interface, ip_network
from types import NoneType
from typing import Any

from lango.db.driver import digest
from lango.db.postgres import RawJson
from lango.libraries.asyncpg import UUID

LENGTH, SIZE, COUNT = struct.Struct("!I"), struct.Struct("!i"), struct.Struct("!H")
# The kind and the length of any message; and with no name of a portal after it.
HEAD, BIND = struct.Struct("!BI"), struct.Struct("!cIx")
SYNC = b"S\x00\x00\x00\x04"
EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
# What the server sends, by its first letter.
PARSE_COMPLETE, BIND_COMPLETE, COMMAND_COMPLETE, DATA_ROW, ERROR, READY, ROW_DESCRIPTION = b"12CDEZT"
NULL = b"\xff\xff\xff\xff"

Decoder = Callable[[bytes], Any]
# Of a statement, as they stand in a Bind message.
Parameters = bytes


def message(kind: bytes, body: bytes) -> bytes:
    return kind + LENGTH.pack(len(body) + 4) + body


def name_of(sql: str) -> bytes:
    """The name of a prepared statement: the same for the same SQL, and another for any other, whoever prepares it.

    Through a pooler the connections of many processes meet on one server connection. A number would then name the
    statement of somebody else.
    """
    return digest(sql).encode()


def parse(name: bytes, sql: str) -> bytes:
    return message(b"P", name + b"\x00" + sql.encode() + b"\x00\x00\x00")


def describe(name: bytes) -> bytes:
    return message(b"D", b"S" + name + b"\x00")


def forget(name: bytes) -> bytes:
    """Drop a prepared statement."""
    return message(b"C", b"S" + name + b"\x00")


def parameters(values: Sequence[Any]) -> Parameters:
    """Values as they stand in a Bind message: their number, and each with its length."""
    parts = [COUNT.pack(len(values))]
    for value in values:
        text = WRITERS[type(value)](value)
        if text is None:
            parts.append(NULL)
        else:
            parts += (LENGTH.pack(len(text)), text)
    return b"".join(parts)


def texts_in(given: Parameters) -> list[str | None]:
    """The values that parameters were made of, as texts."""
    return [None if text is None else text.decode() for text in _fields(given)]


def last_in(row: bytes) -> bytes | None:
    """The last value of a DataRow."""
    *_, last = _fields(row)
    return last


def _fields(body: bytes) -> Iterator[bytes | None]:
    """What stands in the parameters of a Bind, and in a DataRow: a number of values, each behind its length."""
    (count,), at = COUNT.unpack_from(body), COUNT.size
    for _ in range(count):
        (size,) = SIZE.unpack_from(body, at)
        at += SIZE.size
        if size < 0:
            yield None
        else:
            yield body[at : at + size]
            at += size


def run(name: bytes, given: Parameters) -> tuple[bytes, ...]:
    """The parts of what runs a prepared statement: Bind of the unnamed portal, with parameters and results as text, and
    Execute."""
    return BIND.pack(b"B", len(name) + len(given) + 10), name, b"\x00\x00\x00", given, b"\x00\x00", EXECUTE


@lru_cache(maxsize=4096)
def run_bare(name: bytes) -> bytes:
    """What runs a prepared statement without parameters."""
    return b"".join(run(name, parameters(())))


def written(value: Any) -> bytes | None:
    """A parameter as PostgreSQL reads it from text."""
    text: bytes | None = WRITERS[type(value)](value)
    return text


def _array(values: Sequence[Any]) -> bytes:
    texts = [WRITERS[type(value)](value) for value in values]
    quoted = [
        b"NULL" if text is None else b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for text in texts
    ]
    return b"{%b}" % b",".join(quoted)


def _written_otherwise(value: Any) -> bytes:
    return str(value).encode()


class Writers(dict[type[Any], Callable[[Any], bytes | None]]):
    """How values are written, by their very type; another is written as the first that it is a kind of."""

    def __missing__(self, kind: type[Any]) -> Callable[[Any], bytes | None]:
        known = next((write for base, write in WRITTEN.items() if issubclass(kind, base)), _written_otherwise)
        self[kind] = known
        return known


# By kind, what comes first before what it is a kind of.
WRITTEN: dict[type[Any], Callable[[Any], bytes | None]] = {
    NoneType: lambda _: None,
    str: str.encode,
    bool: lambda value: b"t" if value else b"f",
    int: _written_otherwise,
    UUID: _written_otherwise,
    list: _array,
    tuple: _array,
    datetime: lambda value: value.isoformat().encode(),
    date: lambda value: value.isoformat().encode(),
    clock: lambda value: value.isoformat().encode(),
    Decimal: lambda value: format(value, "f").encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
    timedelta: lambda value: f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds".encode(),
}
WRITERS = Writers(WRITTEN)


def values_in(row: bytes, decoders: Sequence[Decoder]) -> list[Any]:
    """The values of a DataRow, each read by the decoder of its column."""
    at = 2
    found: list[Any] = []
    for read in decoders:
        (size,) = SIZE.unpack_from(row, at)
        at += 4
        if size < 0:
            found.append(None)
        else:
            found.append(read(row[at : at + size]))
            at += size
    return found


def text_in(row: bytes) -> bytes | None:
    """The first value of a DataRow as it is; None where it is null."""
    (size,) = SIZE.unpack_from(row, 2)
    return None if size < 0 else row[6 : 6 + size]


def decoders_in(body: bytes) -> tuple[Decoder, ...]:
    """How the columns of a RowDescription are read."""
    at, types = 2, list[int]()
    for _ in range(int.from_bytes(body[:2], "big")):
        # The name; the table and the column in it; the type; and its length, modifier and format.
        at = body.index(0, at) + 1
        types.append(int.from_bytes(body[at + 6 : at + 10], "big"))
        at += 18
    return _decoders_of(tuple(types))


@lru_cache(maxsize=4096)
def _decoders_of(types: tuple[int, ...]) -> tuple[Decoder, ...]:
    # One and the same for all connections: who reads rows of models knows by that how it reads them.
    return tuple(map(decoder_of, types))


def _moment(value: bytes) -> datetime:
    text = value.decode()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return INFINITE[text].replace(tzinfo=UTC)


def _local_moment(value: bytes) -> datetime:
    text = value.decode()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return INFINITE[text]


def _day(value: bytes) -> date:
    text = value.decode()
    try:
        return date.fromisoformat(text)
    except ValueError:
        return INFINITE[text].date()


def _interval(value: bytes) -> timedelta:
    """By the settings of a connection an interval is written in ISO 8601; a month has 30 days and a year 365."""
    found = INTERVAL.fullmatch(value.decode())
    if found is None:
        raise ValueError(f"This is no interval: {value!r}")
    years, months, days, hours, minutes, seconds = (Decimal(part or 0) for part in found.groups())
    return timedelta(days=int(years * 365 + months * 30 + days)) + timedelta(
        microseconds=int((hours * 3600 + minutes * 60 + seconds) * 1_000_000)
    )


def _address(value: bytes) -> Any:
    text = value.decode()
    return ip_interface(text) if "/" in text else ip_address(text)


def _items(value: bytes) -> list[Any]:
    """The texts of an array, which may hold arrays."""
    root: list[Any] = []
    open_: list[list[Any]] = [root]
    for brace, quoted, bare in ARRAY_PART.findall(value.decode()):
        if brace == "{":
            inner: list[Any] = []
            open_[-1].append(inner)
            open_.append(inner)
        elif brace:
            open_.pop()
        elif bare:
            open_[-1].append(None if bare == "NULL" else bare)
        else:
            open_[-1].append(ESCAPED.sub(r"\1", quoted[1:-1]))
    return list(root[0])


def _list(read: Decoder, value: bytes) -> list[Any]:
    if b'"' in value or value.rfind(b"{") != 0:
        return _read_items(read, _items(value))
    # Nothing is quoted in it, and it holds no other.
    bare = value[1:-1]
    return [None if item == b"NULL" else read(item) for item in bare.split(b",")] if bare else []


def _read_items(read: Decoder, items: list[Any]) -> list[Any]:
    return [
        item if item is None else _read_items(read, item) if isinstance(item, list) else read(item.encode())
        for item in items
    ]


INFINITE = {"infinity": datetime.max, "-infinity": datetime.min}  # noqa: DTZ901 - of both kinds, with a zone and without
INTERVAL = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?)?", re.ASCII
)
ARRAY_PART = re.compile(r'([{}])|("(?:[^"\\]|\\.)*")|([^{},"]+)', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


# By PostgreSQL's numbers of its types, which never change; with that of its array.
_SCALARS: dict[tuple[int, int], Decoder] = {
    (16, 1000): b"t".__eq__,
    (17, 1001): lambda value: bytes.fromhex(value[2:].decode()),
    (20, 1016): int,
    (21, 1005): int,
    (23, 1007): int,
    (26, 1028): int,
    (114, 199): lambda value: RawJson(value.decode()),
    (3802, 3807): lambda value: RawJson(value.decode()),
    (700, 1021): float,
    (701, 1022): float,
    (650, 651): lambda value: ip_network(value.decode()),
    (869, 1041): _address,
    (1082, 1182): _day,
    (1083, 1183): lambda value: clock.fromisoformat(value.decode()),
    (1266, 1270): lambda value: clock.fromisoformat(value.decode()),
    (1114, 1115): _local_moment,
    (1184, 1185): _moment,
    (1186, 1187): _interval,
    (1700, 1231): lambda value: Decimal(value.decode()),
    (2950, 2951): lambda value: UUID(value.decode()),
    (25, 1009): bytes.decode,
    (1043, 1015): bytes.decode,
    (1042, 1014): bytes.decode,
    (19, 1003): bytes.decode,
}
_DECODERS = {one: read for (one, _), read in _SCALARS.items()} | {
    many: partial(_list, read) for (_, many), read in _SCALARS.items()
}


def decoder_of(type_number: int) -> Decoder:
    """How a value of that type is read; of a type that is not known its text."""
    read: Decoder = _DECODERS.get(type_number, bytes.decode)
    return read
