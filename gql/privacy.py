"""Consents and data requests, as the API shows them."""

from __future__ import annotations

import models.privacy as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.Consent)
class Consent:
    pass


@mirror(m.DataRequest)
class DataRequest:
    pass


Query = root_fields(m.Consent, m.DataRequest)
