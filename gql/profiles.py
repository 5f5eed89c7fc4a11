"""Profiles, addresses, and what others see of a person, as the API shows them."""

from __future__ import annotations

import models.profiles as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

mirrors(m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.PublicProfile, m.Colleague)


Query = root_fields(
    m.Profile, m.UserAddress, m.GuardianshipRequest, m.IdentityDocument, m.Colleague, unlisted=(m.PublicProfile,)
)
