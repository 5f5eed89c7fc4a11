"""What is seen of what a pot was given: by others as its owner wishes, by the owner all that donors do not hide."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from models.identity import User
from models.pots import Pot
from models.profiles import Profile
from tests.client import STAFF, Api
from tests.donations.giving import Giving
from tests.factories import Factory, now

QUERY = """
  query ($id: ID!) {
    pot(id: $id) {
      raisedCfa
      contributions(orderBy: [{createdAt: ASC}]) { nodes { amountCfa donorName message } }
      contributionsAggregate { countDistinct { donorName message } }
      pointContributions { nodes { amountCfa sponsorName } }
    }
  }
"""


async def people(make: Factory, owner: Any) -> dict[str, Any]:
    """Who looks at the pot of a minor."""
    guardian = await make(User)
    await make(
        Profile, user_id=owner.id, date_of_birth=date.today() - timedelta(days=3000), guardian_user_id=guardian.id,
        guardian_accepted_at=now(), relationship_type="parent",
    )  # fmt: skip
    staff, stranger = await make.staff(), await make(User)
    return {"owner": owner, "guardian": guardian, "admin": staff, "stranger": stranger, "nobody": None}


@pytest.mark.parametrize("shows", [True, False])
async def test_what_a_pot_keeps_to_itself_its_owner_sees(api: Api, giving: Giving, make: Factory, shows: bool) -> None:
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="public", show_donor_names=shows, enable_messages=shows)
    await giving.given(pot, 500, donorName="Awa", message="Joyeux anniversaire")
    await giving.given(pot, 700, donorName="Moussa", isAnonymous=True, showAmount=False)

    for name, who in (await people(make, owner)).items():
        answer = await api(QUERY, {"id": str(pot.id)}, as_=who, roles=STAFF if name == "admin" else ())

        all_is_shown = shows or name in ("owner", "guardian", "admin")
        first, second = answer["pot"]["contributions"]["nodes"]
        named, said = ("Awa", "Joyeux anniversaire") if all_is_shown else (None, None)
        assert first == {"amountCfa": 500, "donorName": named, "message": said}, name
        # What the donor hides stays hidden, whoever looks.
        assert second == {"amountCfa": None, "donorName": None, "message": None}, name
        counted = answer["pot"]["contributionsAggregate"][0]["countDistinct"]
        assert counted == {"donorName": str(int(all_is_shown)), "message": str(int(all_is_shown))}, name


@pytest.mark.parametrize("shows", [True, False])
async def test_what_points_brought_is_shown_beside_what_was_given(api: Api, make: Factory, shows: bool) -> None:
    owner, sponsor = await make(User), await make(User)
    await make(Profile, user_id=sponsor.id, full_name="Fatou Sarr", is_profile_public=True)
    pot = await make.funded_pot(3000, owner_user_id=owner.id, visibility="public", show_donor_names=shows)
    await make.conversion(pot, 2500, sponsor_user_id=sponsor.id)

    for name, who in (await people(make, owner)).items():
        answer = await api(QUERY, {"id": str(pot.id)}, as_=who, roles=STAFF if name == "admin" else ())

        by = "Fatou Sarr" if shows or name in ("owner", "guardian", "admin") else None
        assert answer["pot"]["pointContributions"]["nodes"] == [{"amountCfa": 2500, "sponsorName": by}], name
