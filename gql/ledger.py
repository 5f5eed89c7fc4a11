"""The ledger: accounts, transactions and entries, as the API shows them."""

from __future__ import annotations

import models.ledger as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.LedgerAccount,
    m.LedgerTransaction,
    m.LedgerEntry,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
