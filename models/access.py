"""The words of policies: who may read which rows of a table.

A table says `__access__ = read(own("user_id"), staff)`; `models/ddl.py` renders one policy for each role from it.
Every setting and every membership is asked once a statement (`(SELECT …)`), and an array answers, so that an index on
the column can be used: `x = ANY ((SELECT lango.my_pots())::uuid[])`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One reason why a row may be read. `{row}` in the SQL stands for the row's alias and its dot, or for nothing."""

    sql: str
    without_token: bool = False
    # Whether the rows it opens grow with the table, not with the caller's own: then a filter must bring an index.
    unbounded: bool = False
    # Whether it is because the row is about the caller: then the row is a person's.
    of_person: bool = False

    def __and__(self, other: Term) -> Term:
        return Term(
            f"({self.sql}) AND ({other.sql})",
            self.without_token and other.without_token,
            self.unbounded and other.unbounded,
            self.of_person or other.of_person,
        )


@dataclass(frozen=True, slots=True)
class Access:
    """The terms of a table, each enough by itself; `staff_sql` is what staff may read, None for the same as members."""

    terms: tuple[Term, ...]
    staff_sql: str | None = None

    @property
    def unbounded(self) -> bool:
        return any(term.unbounded for term in self.terms)

    @property
    def of_person(self) -> bool:
        return any(term.of_person for term in self.terms)

    @property
    def without_token(self) -> bool:
        return any(term.without_token for term in self.terms)

    def sql(self, row: str = "", *, anonymous: bool = False) -> str:
        """The condition for members, or for those who bring no token."""
        terms = [term.sql for term in self.terms if term.without_token or not anonymous]
        return " OR ".join(f"({sql})" for sql in terms).replace("{row}", row) or "false"


@dataclass(frozen=True, slots=True)
class Face:
    """The part of a row that strangers may see: a security-barrier view with its own type and ids.

    It runs with the owner's rights, so its own WHERE is its whole protection, written over settings only.
    """

    definition: str


def any_of(column: str, function: str) -> str:
    return f"{{row}}{column} = ANY ((SELECT lango.{function}())::uuid[])"


staff = Term("staff")
# What a rule made or opened by a token, in the answer of that very mutation.
opened = Term("{row}id = ANY ((SELECT lango.opened_rows())::uuid[])", without_token=True)
super_admin = Term("(SELECT lango.has_role('super_admin'))")
members = Term("(SELECT lango.user_id()) IS NOT NULL", unbounded=True)


def everyone(where: str = "true") -> Term:
    """Anyone, also without a token, where the condition holds (columns written as `{row}name`)."""
    return Term(where, without_token=True, unbounded=True)


def where(condition: str) -> Term:
    """Narrows another term: `members_of_partner("partner_id") & where("{row}status <> 'draft'")`."""
    return Term(condition, without_token=True, unbounded=True)


def own(*columns: str) -> Term:
    """The user in one of the columns, or the accepted guardian while that user is under 18."""
    return Term(" OR ".join(any_of(column, "my_people") for column in columns), of_person=True)


def owner_of_pot(column: str) -> Term:
    """Whoever owns the pot."""
    return Term(any_of(column, "my_pots"))


def members_of_partner(column: str) -> Term:
    """Every member of the partner."""
    return Term(any_of(column, "my_partners"))


def managers_of_partner(column: str) -> Term:
    """The partner's owner and managers."""
    return Term(any_of(column, "my_managed_partners"))


def members_of_dao(column: str) -> Term:
    """The DAO's approved members."""
    return Term(any_of(column, "my_daos"))


def admins_of_dao(column: str) -> Term:
    return Term(any_of(column, "my_administered_daos"))


def members_of_card_account(column: str) -> Term:
    """Everyone on the card account."""
    return Term(any_of(column, "my_card_accounts"))


def supervisors_of_card_account(column: str) -> Term:
    """The card account's owner, admins and analysts."""
    return Term(any_of(column, "my_supervised_card_accounts"))


def managers_of_card_account(column: str) -> Term:
    """The card account's owner and admins."""
    return Term(any_of(column, "my_managed_card_accounts"))


def holds(function: str, column: str) -> Term:
    """The rows whose key is in the array that `lango.<function>()` gives."""
    return Term(any_of(column, function))


def among(function: str, column: str) -> Term:
    """As `holds`, where the array may be long: hashed instead of searched for each row, but of no use to an index."""
    return Term(f"{{row}}{column} IN (SELECT unnest(lango.{function}()))")


def read(*terms: Term, staff_where: str | None = None) -> Access:
    """Who may read: any one term is enough. `staff_where` narrows what staff see."""
    listed = tuple(term for term in terms if term is not staff)
    return Access(listed, staff_where or ("true" if staff in terms else None))
