"""The ledger: accounts, transactions and entries, as the API shows them."""

from __future__ import annotations

import models.ledger as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.LedgerAccount)
class LedgerAccount:
    pass


@mirror(m.LedgerTransaction)
class LedgerTransaction:
    pass


@mirror(m.LedgerEntry)
class LedgerEntry:
    pass


Query = root_fields(m.LedgerAccount, m.LedgerTransaction, m.LedgerEntry)
