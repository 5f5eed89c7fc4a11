"""Birthday pots, who is invited, and how they fare, as the API shows them."""

from __future__ import annotations

import models.pots as m
from gql.kit.mirror import mirror, root_fields


@mirror(m.Pot)
class Pot:
    pass


@mirror(m.PotInvitation)
class PotInvitation:
    pass


@mirror(m.PotAnalytics)
class PotAnalytics:
    pass


Query = root_fields(m.Pot, m.PotInvitation, m.PotAnalytics)
