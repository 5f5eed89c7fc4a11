"""Partners, those who act for them, their packs, and the campaigns of sponsors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from models.packs import Pack, Partner, PartnerInvitation, PartnerMember, SponsorCampaign
from seeds import names
from seeds.world import Dice, World, named

# Francs. Below it a settlement is carried over.
MINIMUM_PAYOUT = 10_000
PACKS_A_PARTNER = 3
# Places in the list of partners: the fifth was suspended, the sixth is not verified yet.
DEMO, SUSPENDED, PENDING = 0, 4, 5


@dataclass(frozen=True, slots=True)
class Offer:
    """A pack, as far as codes need it."""

    id: UUID
    price: int
    validity_days: int
    venues: list[str] | None


@dataclass
class Shop:
    """A partner, as far as codes and settlements need it."""

    id: UUID
    number: int
    split: Decimal
    venues: list[dict[str, str]]
    cashiers: list[UUID]
    offers: list[Offer] = field(default_factory=list)


async def load(world: World) -> list[Shop]:
    """The partners that take codes, or did before they were suspended; the demo partner comes first."""
    dice = world.dice("partners")
    shops = []
    for number in range(world.size.partners):
        shop = _put_partner(world, dice, number)
        if number != PENDING:
            _put_packs(world, dice, shop)
            shops.append(shop)
    _put_campaigns(world, dice)
    await world.rows.flush()
    return shops


def _kind(number: int) -> tuple[str, str]:
    return names.PARTNERS[number % len(names.PARTNERS)]


def _put_partner(world: World, dice: Dice, number: int) -> Shop:
    name, kind = _kind(number)
    city = names.SENEGAL[number // len(names.PARTNERS) % len(names.SENEGAL)][0]
    status = "suspended" if number % 40 == SUSPENDED else "pending" if number == PENDING else "active"
    joined = dice.ago(420, 401)
    venues = [
        {"id": f"v{place}", "name": f"{name.split()[0]} {district}", "address": f"{dice.choice(names.STREETS)}, {city}"}
        for place, district in enumerate(("Plateau", "Almadies", "Médina"), 1)
    ]
    shop = Shop(named(f"partner {number}"), number, Decimal(dice.choice((75, 80, 82, 85, 90))), venues, [])
    world.rows.put(
        Partner, id=shop.id, name=name if number < len(names.PARTNERS) else f"{name} {city} {number}", type=kind,
        description=f"{name}, à votre service depuis vingt ans.", contact_name=dice.choice(world.adults).name,
        contact_email=f"contact{number}@partners.lango.example", contact_phone=f"+22133{8_000_000 + number}",
        business_registration=f"SN-DKR-2019-B-{10_000 + number}", tax_id=f"{dice.randrange(10**8):08d}2G3",
        revenue_split_percentage=shop.split, payment_terms="monthly",
        minimum_payout_cfa=MINIMUM_PAYOUT, venues=venues, status=status,
        verified_at=None if status == "pending" else joined + timedelta(days=1),
        verified_by_user_id=None if status == "pending" else world.staff, auto_approve_redemptions=number % 3 == 1,
        notification_preferences={"email": True}, created_at=joined,
        updated_at=world.today - timedelta(days=5) if status == "suspended" else joined,
    )  # fmt: skip
    for role, user in _staff_of(world, dice, number):
        world.rows.put(PartnerMember, id=dice.id(), partner_id=shop.id, user_id=user, role=role, created_at=joined)
        shop.cashiers.append(user)
    _put_invitations(world, dice, shop, name)
    return shop


def _put_invitations(world: World, dice: Dice, shop: Shop, name: str) -> None:
    """To people who have not answered, and to some who have no account."""
    owner = shop.cashiers[1]
    sent = world.today - timedelta(days=2)
    for status, phone, email in (
        ("pending", None, f"equipe{shop.number}@partners.lango.example"),
        ("cancelled", f"+22177{6_000_000 + shop.number}", None),
    ):
        world.rows.put(
            PartnerInvitation, id=dice.id(), partner_id=shop.id, partner_name=name, role="cashier", phone=phone,
            email=email, invited_by=owner, status=status, expires_at=world.today + timedelta(days=12), created_at=sent,
            updated_at=sent,
        )  # fmt: skip


def _staff_of(world: World, dice: Dice, number: int) -> list[tuple[str, UUID]]:
    somebody = [person.id for person in dice.sample(world.adults[len(world.callers) :], 3)]
    if number == DEMO:
        callers = world.callers
        return [("cashier", callers["cashier"].id), ("owner", callers["partner_owner"].id), ("manager", somebody[2])]
    return list(zip(("cashier", "owner", "manager"), somebody, strict=True))


def _put_packs(world: World, dice: Dice, shop: Shop) -> None:
    kind = _kind(shop.number)[1]
    for place, (name, price) in enumerate(names.PACKS[kind]):
        discounted = price * 9 // 10 if place == 1 else None
        restricted = ["v1", "v2"] if place == 2 else None
        offer = Offer(named(f"pack {shop.number} {place}"), discounted or price, (90, 60, 30)[place], restricted)
        world.rows.put(
            Pack, id=offer.id, name=name, description=f"{name}, valable {offer.validity_days} jours.", category=kind,
            base_price_cfa=price, discounted_price_cfa=discounted, is_active=True,
            max_redemptions_per_user=(2, 1, None)[place], total_available_quantity=None if place == 0 else 2_000,
            image_url=f"https://media.lango.example/packs/{kind}{place}.jpg",
            gallery_images=[f"https://media.lango.example/packs/{kind}{place}-{n}.jpg" for n in (1, 2)],
            partner_id=shop.id, venue_restrictions=restricted,
            terms_and_conditions="Ni repris ni échangé. Sur réservation le week-end.",
            redemption_instructions="Présentez le code à la caisse.", validity_days=offer.validity_days,
            seo_title=name, seo_description=f"Offrez « {name} » pour un anniversaire.",
            marketing_tags=["anniversaire", kind], created_at=dice.ago(401, 400),
        )  # fmt: skip
        shop.offers.append(offer)
    if shop.number < PENDING:
        today = world.today.date()
        world.rows.put(
            Pack, id=named(f"pack {shop.number} old"), name="Offre de l'an dernier", category=kind,
            description="Elle n'est plus proposée.", base_price_cfa=12_000, is_active=False, partner_id=shop.id,
            available_from=today - timedelta(days=390), available_until=today - timedelta(days=200),
            total_available_quantity=100, created_at=dice.ago(401, 400),
            deleted_at=dice.ago(30) if shop.number == SUSPENDED else None,
        )  # fmt: skip


def _put_campaigns(world: World, dice: Dice) -> None:
    listed = (
        ("Orange Sénégal", "Fêtez connectés", "active", -40, 50), ("Wave", "Le bonheur d'offrir", "active", -10, 80),
        ("Auchan", "Rentrée gourmande", "paused", -60, 30), ("Sonatel", "Ramadan solidaire", "completed", -200, -150),
        ("Free", "Bientôt en fête", "draft", 20, 60),
    )  # fmt: skip
    for number, (company, name, status, begins, ends) in enumerate(listed):
        ran = status != "draft"
        world.rows.put(
            SponsorCampaign, id=named(f"campaign {number}"), sponsor_company_name=company, campaign_name=name,
            description=f"{company} double la joie : chaque parrainage rapporte plus.",
            target_demographics={"age": [18, 45], "regions": ["Dakar", "Thiès"]},
            pack_categories=["cinema", "restaurant"] if number % 2 else ["spa", "leisure", "hotel"],
            points_multiplier=Decimal("1.5") if number % 2 else Decimal("2.0"), budget_cfa=5_000_000,
            spent_cfa=dice.randrange(100_000, 2_000_000) if ran else 0,
            starts_at=world.today + timedelta(days=begins), ends_at=world.today + timedelta(days=ends), status=status,
            impressions=dice.randrange(5_000, 90_000) if ran else 0, clicks=dice.randrange(200, 4_000) if ran else 0,
            conversions=dice.randrange(20, 190) if ran else 0, created_at=world.today + timedelta(days=begins - 30),
        )  # fmt: skip
