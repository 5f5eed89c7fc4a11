"""Consents and data requests, as the API shows them."""

from __future__ import annotations

import models.privacy as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.Consent,
    m.DataRequest,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
