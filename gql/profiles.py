"""Profiles, addresses, and what others see of a person, as the API shows them."""

from __future__ import annotations

import models.profiles as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.Profile)
class Profile:
    pass


@mirror(m.UserAddress)
class UserAddress:
    pass


@mirror(m.PublicProfile)
class PublicProfile:
    pass


@mirror(m.Colleague)
class Colleague:
    pass


Query = root_fields(m.Profile, m.UserAddress, m.Colleague, unlisted=(m.PublicProfile,))
