"""Users: who they are, where they live, their guardians and their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from models.identity import PasswordResetToken, User, UserSession
from models.profiles import GuardianshipRequest, IdentityDocument, Profile, UserAddress
from seeds import names
from seeds.callers import DEMO_CALLERS, DEMO_PASSWORD_HASH
from seeds.world import Dice, Person, World, digest, named

A_YEAR = 365.25
# Where in the list the callers' first ward stands: a child of the member.
WARD = len(DEMO_CALLERS)
ADMIN = named(f"admin@{DEMO_CALLERS[0].email.partition('@')[2]}")


async def load(world: World) -> int:
    """Every user with a profile; of twenty-five one is a minor, of fifty one deleted, of seventy one suspended."""
    dice, proofs = world.dice("people"), world.dice("proofs")
    for number, person in enumerate(_people(world, dice)):
        world.people.append(person)
        minor = _is_minor(number)
        deleted = number > WARD + 5 and number % 50 == 30
        suspended = number > WARD + 5 and number % 70 == 40
        _put_user(world, dice, number, person, deleted=deleted, suspended=suspended)
        if person.adult:
            world.adults.append(person)
        _put_profile(world, dice, number, person, minor=minor)
        _put_addresses(world, dice, number, person)
        _put_proofs(world, proofs, number, person, minor=minor)
        if dice.happens(0.3) or number < WARD:
            _put_session(world, dice, person)
        if number % 40 == 9:
            requested = dice.ago(60)
            world.rows.put(
                PasswordResetToken, id=dice.id(), user_id=person.id, token_hash=digest(f"reset {number}"),
                created_at=requested, expires_at=requested + timedelta(hours=1),
                used_at=requested + timedelta(minutes=4),
            )  # fmt: skip
        await world.rows.flush_if_many()
    world.callers |= dict(zip((caller.name for caller in DEMO_CALLERS), world.people, strict=False))
    return len(world.people)


def _is_minor(number: int) -> bool:
    return number == WARD or (number > WARD and number % 25 == 20)


def _people(world: World, dice: Dice) -> Iterator[Person]:
    for number in range(world.size.users):
        caller = DEMO_CALLERS[number] if number < len(DEMO_CALLERS) else None
        kenyan = caller is None and dice.happens(0.2)
        if kenyan:
            name = f"{dice.choice(names.KENYANS)} {dice.choice(names.KENYAN_SURNAMES)}"
        else:
            name = f"{dice.choice(names.WOMEN + names.MEN)} {dice.choice(names.SURNAMES)}"
        age = dice.uniform(7, 17) if _is_minor(number) else min(80, 18.1 + dice.expovariate(1 / 14))
        phone = f"+2547{10_000_000 + number:08d}" if kenyan else f"+2217{70_000_000 + number:08d}"
        disabled = number > WARD + 5 and (number % 50 == 30 or number % 70 == 40)
        joined = dice.ago(399, 100)
        yield Person(
            named(caller.email) if caller else dice.id(),
            caller.full_name if caller else name,
            caller.email if caller else f"user{number}@people.lango.example",
            phone,
            _birthday(world.today.date(), age, number),
            joined - timedelta(days=1) if number == 0 else joined,
            kenyan,
            not _is_minor(number) and not disabled,
        )


def _birthday(today: date, age: float, number: int) -> date:
    # The pot's owner had a birthday three days ago, so that the codes can be redeemed.
    if number == 1:
        return (today - timedelta(days=3)).replace(year=today.year - 34, day=min((today - timedelta(days=3)).day, 28))
    return today - timedelta(days=int(age * A_YEAR))


def _put_user(world: World, dice: Dice, number: int, person: Person, *, deleted: bool, suspended: bool) -> None:
    caller = DEMO_CALLERS[number] if number < len(DEMO_CALLERS) else None
    # Some have only a phone, as most have in life.
    email = person.email if caller or dice.happens(0.6) else None
    world.rows.put(
        User, id=person.id, phone=person.phone, email=email,
        auth_provider=dice.choices(("phone", "google", "facebook"), (80, 15, 5))[0],
        roles=list(caller.roles) if caller else ["user"], is_active=not suspended and not deleted,
        created_at=person.joined, updated_at=person.joined,
        last_login_at=dice.ago(30) if dice.happens(0.7) else None,
        # The same letters are thrown for the callers, so that all others stay as they are.
        password_hash=_password_hash(dice, caller is not None) if email else None,
        login_attempts=3 if number % 90 == 50 else 0,
        deleted_at=dice.ago(25, 1) if deleted else None,
        phone_verified_at=person.joined if caller or number % 4 != 3 else None,
        email_verified_at=person.joined if email and (caller or number % 5 != 4) else None,
    )  # fmt: skip


def _password_hash(dice: Dice, is_caller: bool) -> str:
    of_nothing = dice.password_hash()
    return DEMO_PASSWORD_HASH if is_caller else of_nothing


def _put_profile(world: World, dice: Dice, number: int, person: Person, *, minor: bool) -> None:
    guardian = world.people[0] if number == WARD else (dice.choice(world.adults) if minor else None)
    verified = dice.happens(0.4) or number < WARD
    shown = dice.happens(0.2)
    world.rows.put(
        Profile, user_id=person.id, full_name=person.name, date_of_birth=person.born,
        locale="en-KE" if person.kenyan else "fr-SN",
        timezone="Africa/Nairobi" if person.kenyan else "Africa/Dakar",
        avatar_url=f"https://media.lango.example/avatars/{person.id}.jpg" if dice.happens(0.5) else None,
        bio=dice.choice(names.BIOS) if shown else None,
        guardian_user_id=guardian.id if guardian else None,
        relationship_type=dice.choice(("parent", "guardian", "sibling")) if guardian else None,
        guardian_accepted_at=person.joined + timedelta(days=1) if guardian and (number % 3 or number == WARD) else None,
        id_number=dice.opaque() if verified else None,
        id_type=dice.choice(("national_id", "passport")) if verified else None,
        id_country=("KEN" if person.kenyan else "SEN") if verified else None,
        id_hash=digest(f"document {number}") if verified else None,
        id_verified_at=person.joined + timedelta(days=2) if verified else None,
        id_verified_by=ADMIN if verified else None,
        is_profile_public=number % 9 != 4, allow_contact_by_sponsors=number % 11 != 5, created_at=person.joined,
    )  # fmt: skip


def _put_proofs(world: World, dice: Dice, number: int, person: Person, *, minor: bool) -> None:
    """A document of every tenth, and of some minors a request that the guardian has not answered."""
    if number % 10 == 4:
        waits = number % 20 == 4
        world.rows.put(
            IdentityDocument, id=dice.id(), user_id=person.id, type="passport" if person.kenyan else "national_id",
            country="KEN" if person.kenyan else "SEN", number=dice.opaque(), number_hash=digest(f"proof {number}"),
            status="pending" if waits else "rejected", reason=None if waits else "Illisible",
            decided_by=None if waits else ADMIN, decided_at=None if waits else world.today - timedelta(days=3),
            created_at=person.joined,
        )  # fmt: skip
    if minor and number != WARD and number % 3 == 0:
        sent = world.today - timedelta(days=4)
        world.rows.put(
            GuardianshipRequest, id=dice.id(), user_id=person.id, guardian_user_id=world.people[0].id,
            relationship_type="parent", first_name=person.name.split()[0], requested_by=person.id, status="pending",
            expires_at=sent + timedelta(days=14), created_at=sent, updated_at=sent,
        )  # fmt: skip


def _put_addresses(world: World, dice: Dice, number: int, person: Person) -> None:
    for kind in ("primary", "delivery")[: 2 if number % 20 == 0 else 1 if number % 5 < 3 else 0]:
        city, region = dice.choice(names.KENYA if person.kenyan else names.SENEGAL)
        street = dice.choice(names.KENYAN_STREETS if person.kenyan else names.STREETS)
        world.rows.put(
            UserAddress, id=dice.id(), user_id=person.id, type=kind,
            street_address=f"{street} {dice.randrange(1, 200)}", city=city, region=region,
            country="KEN" if person.kenyan else "SEN", postal_code=f"{dice.randrange(10_000, 30_000)}",
            is_default=number % 60 != 11, created_at=person.joined,
            deleted_at=dice.ago(20) if number % 60 == 11 else None,
        )  # fmt: skip


def _put_session(world: World, dice: Dice, person: Person) -> None:
    begun = dice.ago(80)
    world.rows.put(
        UserSession, id=dice.id(), user_id=person.id, token_hash=digest(f"session {person.id}"),
        device_info={"os": dice.choice(("Android", "iOS", "Windows")), "app": "lango"}, ip_address=dice.address(),
        created_at=begun, expires_at=begun + timedelta(days=90), is_revoked=dice.happens(0.1),
    )  # fmt: skip
