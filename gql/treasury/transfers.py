"""The payments from treasuries, and what their signers decide, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (m.TreasuryTransfer, m.TreasuryApproval, m.SignerChange, m.SignerChangeApproval)
mirrors(*MODELS)

Query = root_fields(*MODELS)
