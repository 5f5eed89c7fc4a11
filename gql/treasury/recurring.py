"""Payments that recur, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.treasury import recurring

MODELS = (m.RecurringPayment, m.RecurringOccurrence)
mirrors(*MODELS)

Query = root_fields(*MODELS)
Mutation = mutations(
    recurring.create_recurring_payment,
    recurring.update_recurring_payment,
    recurring.pause_recurring_payment,
    recurring.resume_recurring_payment,
    recurring.cancel_recurring_payment,
)
