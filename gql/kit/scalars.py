"""Scalars: how a value crosses the wire, exactly, and what is refused on the way in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any, NewType
from uuid import UUID

import orjson
import strawberry
from graphql import (
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    value_from_ast_untyped,
)

from lango.db.postgres import RawJson
from lango.libraries.strawberry import ScalarDefinition
from lango.values import exact_json
from lango.values.exact_json import Number

BigInt = NewType("BigInt", int)
Inet = NewType("Inet", str)
Json = RawJson

DECIMAL = re.compile(r"-?\d{1,20}(\.\d{1,8})?", re.ASCII)
INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
# As many digits as a JSON number of a variable may have.
LONGEST_INTEGER = 308
CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
# A backslash that is itself escaped escapes nothing: an even length is a NUL, an odd one the text of its escape.
NUL = re.compile(r"\\+u0000")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|(?!-00:00)[+-]\d\d:\d\d)", re.ASCII)


def kind_of_json(value: Any) -> str:
    """What JSON calls a value of that kind, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a string"


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise GraphQLError(f"{what} is written as a string, not as {kind_of_json(value)}.")
    return value


def _shown(value: str) -> str:
    return f"“{value}”" if len(value) <= 60 else f"“{value[:60]}…”"


def parse_decimal(value: Any) -> Decimal:
    """An exact number: a string, or a whole JSON number. A JSON float is refused, because it is not exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float):
        raise GraphQLError('A Decimal is written as a string, as in "12.50": a JSON float is not exact.')
    if not DECIMAL.fullmatch(_text(value, "A Decimal")):
        raise GraphQLError(f'{_shown(value)} is no Decimal: write up to 20 digits and up to 8 decimals, as in "12.50".')
    return Decimal(value)


def show_decimal(value: Any) -> str:
    return format(value if isinstance(value, Decimal) else Decimal(value), "f")


def parse_big_int(value: Any) -> int:
    """A whole number of up to 64 bits, as a string or a JSON integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif INTEGER.fullmatch(_text(value, "A BigInt")):
        number = int(value)
    else:
        raise GraphQLError(f"{_shown(value)} is no BigInt: write a whole number.")
    if not -(2**63) <= number < 2**63:
        raise GraphQLError("A BigInt has 64 bits at most.")
    return number


def parse_moment(value: Any) -> datetime:
    """RFC 3339 with a zone; more than six digits of seconds are refused, so that nothing is lost in silence."""
    if not MOMENT.fullmatch(_text(value, "A DateTime")):
        raise GraphQLError(f"{_shown(value)} is no DateTime: write RFC 3339 with a zone, as in 2026-01-31T08:00:00Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError(f"{_shown(value)} is no moment of the calendar.") from None


def show_moment(value: datetime | str) -> str:
    """The wire form; text is in it already."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_date(value: Any) -> date:
    text = _text(value, "A Date")
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise GraphQLError(f"{_shown(text)} is no Date: write a day of the calendar, as in 2026-01-31.")


def parse_time(value: Any) -> time:
    text = _text(value, "A Time")
    try:
        if CLOCK.fullmatch(text):
            return time.fromisoformat(text)
    except ValueError:
        pass
    raise GraphQLError(f"{_shown(text)} is no Time: write hours and minutes, as in 08:30 or 08:30:00.")


def parse_uuid(value: Any) -> UUID:
    if not CANONICAL_UUID.fullmatch(_text(value, "A UUID")):
        raise GraphQLError(f"{_shown(value)} is no UUID.")
    return UUID(value)


def parse_inet(value: Any) -> str:
    text = _text(value, "An Inet")
    try:
        # A zone (`fe80::1%eth0`) means something on one machine only, and PostgreSQL has no place for it.
        if "%" not in text:
            return str(ip_interface(text))
    except ValueError:
        pass
    raise GraphQLError(f"{_shown(text)} is no IP address.")


def show_inet(value: Any) -> str:
    """As PostgreSQL writes it: the last 32 bits in decimal where they are an IPv4 address inside an IPv6 one."""
    text, slash, length = str(value).partition("/")
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        high, low = divmod(int(address), 2**32)
        if high == 0xFFFF or (high == 0 and low >> 16):
            text = f"::{'ffff:' if high else ''}{IPv4Address(low)}"
    return f"{text}{slash}{length}"


def parse_json(value: Any) -> RawJson:
    """Any JSON value, its numbers digit for digit. It is stored as PostgreSQL stores jsonb; a NUL character is refused,
    as PostgreSQL refuses it."""
    try:
        text = exact_json.dumps(value)
    except ValueError:
        raise GraphQLError("JSON for this field has no number that large, or that close to zero.") from None
    if any(len(found.group()) % 2 == 0 for found in NUL.finditer(text)):
        raise GraphQLError("JSON for this field may not hold a NUL character.")
    return RawJson(text)


def show_json(value: Any) -> Any:
    return orjson.Fragment(str(value) if isinstance(value, RawJson) else orjson.dumps(value))


def _literal(parse: Callable[[Any], Any]) -> Callable[..., Any]:
    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return parse(_value(node, variables))
        except GraphQLError as error:
            if error.nodes:
                raise
            raise GraphQLError(error.message, node) from None

    return parse_literal


def _value(node: ValueNode, variables: dict[str, Any] | None) -> Any:
    """The value of a literal, its numbers as they are written."""
    if isinstance(node, FloatValueNode):
        return Number(node.value)
    if isinstance(node, IntValueNode):
        if len(node.value) > LONGEST_INTEGER:
            raise GraphQLError(f"A number has at most {LONGEST_INTEGER} digits.", node)
        return int(node.value)
    if isinstance(node, ListValueNode):
        return [_value(item, variables) for item in node.values]
    if isinstance(node, ObjectValueNode):
        return {field.name.value: _value(field.value, variables) for field in node.fields}
    return value_from_ast_untyped(node, variables)


def _scalar(
    name: str, description: str, serialize: Callable[[Any], Any], parse: Callable[[Any], Any], url: str | None = None
) -> ScalarDefinition:
    return strawberry.scalar(
        name=name, description=description, serialize=serialize, parse_value=parse,
        parse_literal=_literal(parse), specified_by_url=url,
    )  # fmt: skip


SCALARS: dict[object, ScalarDefinition] = {
    Decimal: _scalar(
        "Decimal",
        'An exact decimal number as a string, as in "1250.50". '
        "Taken: up to 20 digits and 8 decimals, or a JSON integer; a JSON float is refused.",
        show_decimal,
        parse_decimal,
    ),
    BigInt: _scalar("BigInt", "A whole number of up to 64 bits, as a string.", str, parse_big_int),
    datetime: _scalar(
        "DateTime",
        "A moment, as RFC 3339 in UTC with six digits of seconds: 2026-01-31T08:00:00.000000Z. Taken with any zone and "
        "up to six digits, never without a zone, nor with -00:00, which is none.",
        show_moment,
        parse_moment,
        "https://www.rfc-editor.org/rfc/rfc3339",
    ),
    date: _scalar("Date", "A day of the calendar, as in 2026-01-31.", date.isoformat, parse_date),
    time: _scalar("Time", "A time of day without a zone, as in 08:30:00.", time.isoformat, parse_time),
    UUID: _scalar("UUID", "A UUID in its canonical form.", str, parse_uuid, "https://www.rfc-editor.org/rfc/rfc9562"),
    Inet: _scalar("Inet", "An IPv4 or IPv6 address, with its network where it has one.", show_inet, parse_inet),
    Json: _scalar("JSON", "Any JSON value, passed on as the database holds it.", show_json, parse_json),
}
