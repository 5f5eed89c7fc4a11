"""Users and their sessions, as the API shows them."""

from __future__ import annotations

import models.identity as m
from gql.kit.mirror import mirror, root_fields


@mirror(m.User)
class User:
    pass


@mirror(m.UserSession)
class UserSession:
    pass


@mirror(m.PasswordResetToken)
class PasswordResetToken:
    pass


Query = root_fields(m.User, m.UserSession, m.PasswordResetToken)
