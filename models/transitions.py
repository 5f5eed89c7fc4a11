"""The words of state machines: which state may follow which."""

from __future__ import annotations


class Transitions:
    """`Transitions("status", issued={"redeemed", "expired"})`: from `issued` to either; from any other state to none.

    The same table drives the database's trigger, the refusal in a rule, and what a dashboard may offer next.
    """

    def __init__(self, column: str, **allowed: set[str]) -> None:
        self.column = column
        self.allowed = {state: frozenset(following) for state, following in allowed.items()}

    def after(self, state: str | None) -> list[str]:
        """The states that may follow `state`, in the order of their letters."""
        return sorted(self.allowed.get(state or "", ()))

    def allows(self, state: str | None, following: str) -> bool:
        """Whether that step may be taken."""
        return following in self.allowed.get(state or "", ())

    def arguments(self) -> list[str]:
        """The trigger's arguments: the column, then `from>to` for each allowed step."""
        steps = sorted(f"{state}>{following}" for state, after in self.allowed.items() for following in after)
        return [self.column, *steps]
