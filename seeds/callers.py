"""The people as whom one may try things out: the same ids and addresses in every size."""

from __future__ import annotations

from dataclasses import dataclass

from seeds.world import DEMO_DOMAIN

# All of them have it: whoever can reach a gateway over the demo data can be any of them.
DEMO_PASSWORD = "pirogues au soleil"
DEMO_PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$O+FZBSAvqpNdXvQ3NMv1hA$gB8bQ1Pb2AsOe8kuwgPJvJ7Z/5jWmahm3aLdrxmA4ik"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who signs in by email and `DEMO_PASSWORD`, and for whom `lango token NAME` makes a token."""

    name: str
    title: str
    full_name: str
    email: str
    roles: tuple[str, ...] = ("user",)


def _caller(name: str, title: str, full_name: str, account: str, *roles: str) -> Caller:
    return Caller(name, title, full_name, f"{account}@{DEMO_DOMAIN}", ("user", *roles))


DEMO_CALLERS = (
    _caller("member", "a member, guardian of a child", "Awa Ndiaye", "awa"),
    _caller("pot_owner", "a pot's owner", "Moussa Diop", "moussa"),
    _caller("cashier", "a partner's cashier", "Fatou Sarr", "fatou", "partner"),
    _caller("partner_owner", "a partner's owner", "Ibrahima Fall", "ibrahima", "partner"),
    _caller("card_owner", "a card account's owner", "Wanjiru Kamau", "wanjiru"),
    _caller("admin", "staff", "Khady Seck", "admin", "admin"),
    _caller("super_admin", "staff who may see all", "Cheikh Mbaye", "super", "admin", "super_admin"),
)
