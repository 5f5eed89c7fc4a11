"""Payments that recur, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (m.RecurringPayment, m.RecurringOccurrence)
mirrors(*MODELS)

Query = root_fields(*MODELS)
