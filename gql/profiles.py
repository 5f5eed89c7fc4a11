"""Profiles, addresses, and what others see of a person, as the API shows them."""

from __future__ import annotations

import models.profiles as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.profiles import addresses, documents, guardians, profiles

mirrors(m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.PublicProfile, m.Colleague)


Query = root_fields(
    m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.Colleague, unlisted=(m.PublicProfile,)
)

Mutation = mutations(
    profiles.update_profile,
    profiles.correct_birth_date,
    guardians.request_guardian,
    guardians.accept_guardianship,
    guardians.decline_guardianship,
    guardians.replace_guardian,
    addresses.add_address,
    addresses.update_address,
    addresses.remove_address,
    documents.submit_identity_document,
    documents.verify_identity,
    documents.reveal_identity_document,
)
