"""What users hold, each movement of it, and the fees that were taken, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (m.UserBalance, m.WalletTransaction, m.TransactionFee)
mirrors(*MODELS)

Query = root_fields(*MODELS)
