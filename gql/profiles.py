"""Profiles, addresses, and what others see of a person, as the API shows them."""

from __future__ import annotations

import models.profiles as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.kit.types import merged
from resolvers.profiles import addresses, documents, guardians, profiles

mirrors(m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.PublicProfile, m.Colleague)


Query = root_fields(
    m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.Colleague, unlisted=(m.PublicProfile,)
)

# Who acts for whom, and the proofs of who somebody is, are no API key's business.
IN_PERSON = mutations(
    profiles.correct_birth_date,
    guardians.request_guardian,
    guardians.accept_guardianship,
    guardians.decline_guardianship,
    guardians.replace_guardian,
    documents.submit_identity_document,
    documents.verify_identity,
    documents.reveal_identity_document,
    in_person=True,
)
Mutation = merged(
    "Mutation",
    (
        mutations(
            profiles.update_profile,
            addresses.add_address,
            addresses.update_address,
            addresses.remove_address,
        ),
        IN_PERSON,
    ),
    description="The mutations of people's profiles.",
)
