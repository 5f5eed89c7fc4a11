"""Notifications: their templates, what people wish, and what was sent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from models.notifications import Notification, NotificationPreferences, NotificationTemplate
from seeds.world import Dice, Person, World, named

TEMPLATES = {
    "referral_invitation": (
        "{user_name} vous invite sur lango",
        "{user_name} vous invite sur lango. {message} Votre code, aussi pour ne plus être invité : {code}",
    ),
    "referral_accepted": ("{user_name} a rejoint lango", "{user_name} a accepté votre invitation : {points} points !"),
    "points_converted": (
        "Des points pour votre cagnotte", "{user_name} a offert {amount} francs à la cagnotte « {pot_title} »."
    ),
    "points_returned": (
        "Des points rendus", "La cagnotte « {pot_title} » est annulée : {points} points vous reviennent."
    ),
    "points_revoked": ("Des points retirés", "{points} points vous ont été retirés : {reason}"),
    "pot_invitation": (
        "{user_name} vous invite à sa cagnotte",
        "{user_name} vous invite à la cagnotte « {pot_title} ». {message} Votre invitation : {token}",
    ),
    "pot_opened": ("Votre cagnotte est ouverte", "La cagnotte « {pot_title} » est ouverte, {user_name}."),
    "pot_expired": (
        "Votre cagnotte est terminée",
        "{user_name}, la cagnotte « {pot_title} » est terminée ; il y reste {amount} francs.",
    ),
    "donation_received": ("Un nouveau don", "{user_name}, « {pot_title} » a reçu {amount} francs."),
    "donation_refunded": ("Votre don est remboursé", "{user_name}, {amount} francs vous ont été rendus par Wave."),
    "partner_invitation": (
        "{partner_name} vous invite dans son équipe",
        "{partner_name} vous invite dans son équipe ({role}) : connectez-vous à lango pour répondre.",
    ),
    "partner_invitation_accepted": (
        "Votre invitation est acceptée", "{user_name} fait désormais partie de l'équipe de {partner_name}."
    ),
    "redemption_reversed": (
        "Une validation annulée", "La validation de « {pack} » ({amount} francs) a été annulée : {reason}"
    ),
    "settlement_paid": ("Règlement effectué", "Votre règlement de {amount} francs est parti ; référence {reference}."),
    "guardianship_requested": (
        "On vous demande d'être tuteur", "{user_name} vous demande d'être son tuteur : répondez dans lango."
    ),
    "guardian_accepted": ("Votre tuteur a accepté", "{user_name} est désormais votre tuteur."),
    "guardian_declined": ("Demande de tutelle refusée", "La demande de tutelle pour {user_name} a été refusée."),
    "guardian_not_answered": (
        "Demande de tutelle sans réponse", "Personne n'a répondu à la demande de tutelle pour {user_name}."
    ),
    "guardianship_ended": ("Votre tutelle a pris fin", "Vous n'êtes plus le tuteur de {user_name}."),
    "majority_near": (
        "Bientôt majeur",
        "{user_name}, vous serez majeur dans {days} jours : votre tuteur n'aura plus accès à votre compte.",
    ),
    "ward_majority_near": (
        "Bientôt majeur", "{user_name} sera majeur dans {days} jours : votre accès à son compte prendra fin."
    ),
    "identity_verified": ("Identité vérifiée", "Votre pièce d'identité a été vérifiée."),
    "identity_rejected": ("Pièce d'identité refusée", "Votre pièce d'identité n'a pas été acceptée : {reason}"),
    "identity_expired": ("Pièce d'identité expirée", "Votre pièce d'identité a expiré : envoyez-en une nouvelle."),
    "mpesa_deposit_received": (
        "Votre dépôt est arrivé", "{amount} KES ont été ajoutés à votre solde ; reçu {reference}."
    ),
    "mpesa_deposit_failed": ("Votre dépôt n'a pas abouti", "Le dépôt de {amount} KES n'a pas abouti : {reason}"),
    "mpesa_payment_held": (
        "Votre paiement est vérifié", "Nous vérifions votre paiement de {amount} KES ; reçu {reference}."
    ),
    "mpesa_withdrawal_paid": ("Votre retrait est parti", "{amount} KES ont été envoyés ; reçu {reference}."),
    "mpesa_withdrawal_failed": (
        "Votre retrait n'a pas abouti", "{amount} KES n'ont pas pu être envoyés et vous sont rendus : {reason}"
    ),
    "funds_received": ("Vous avez reçu de l'argent", "{user_name} vous a envoyé {amount} {currency}. {message}"),
    "dao_membership_requested": ("Une demande d'adhésion", "{user_name} demande à rejoindre « {dao_name} »."),
    "dao_membership_approved": ("Bienvenue", "Votre demande pour « {dao_name} » a été acceptée."),
    "dao_membership_rejected": ("Demande refusée", "Votre demande pour « {dao_name} » n'a pas été acceptée."),
    "dao_banned": ("Vous êtes exclu", "Vous avez été exclu de « {dao_name} » : {reason}"),
    "treasury_transfer_proposed": (
        "Un paiement à approuver", "{user_name} propose que « {dao_name} » verse {amount} {currency} : {purpose}"
    ),
    "treasury_transfer_executed": (
        "Un paiement effectué", "« {dao_name} » vous a versé {amount} {currency} : {purpose}"
    ),
    "treasury_transfer_blocked": (
        "Un paiement bloqué",
        "Le paiement de {amount} {currency} de « {dao_name} » est approuvé, mais bloqué : {reason}",
    ),
    "signer_change_proposed": (
        "Un changement à approuver", "{user_name} propose de changer les signataires de « {dao_name} »."
    ),
    "signer_changed": ("Signataires changés", "Les signataires ou les limites de « {dao_name} » ont changé."),
    "recurring_paid": ("Paiement effectué", "{amount} {currency} ont été versés à « {dao_name} »."),
    "recurring_failed": ("Paiement échoué", "Le versement de {amount} {currency} à « {dao_name} » a échoué : {reason}"),
    "recurring_paused": ("Paiement suspendu", "Le versement à « {dao_name} » est suspendu : {reason}"),
    "recurring_due_soon": ("Bientôt un versement", "{amount} {currency} seront versés à « {dao_name} » le {date}."),
    "referral_payout_paid": ("Votre prime est payée", "{amount} {currency} vous ont été versés pour votre parrainage."),
    "referral_payout_failed": (
        "Votre prime n'est pas partie", "Le paiement de {amount} {currency} n'a pas abouti : {reason}"
    ),
    "referral_payout_rejected": ("Prime refusée", "Votre demande de prime n'a pas été acceptée : {reason}"),
    "report_published": ("Un rapport est publié", "Le rapport {report} de « {dao_name} » est publié."),
    "security_notice": ("Nouvelle connexion", "Une connexion depuis {city} a eu lieu."),
}  # fmt: skip
HOLE = re.compile(r"\{(\w+)\}")
NUMBERS = frozenset({"amount", "points", "days"})
STATES = ("delivered", "delivered", "delivered", "sent", "pending", "failed", "bounced")


async def load(world: World) -> None:
    """What each person wishes, and about two messages each."""
    dice = world.dice("notifications")
    for key, (subject, body) in TEMPLATES.items():
        world.rows.put(
            NotificationTemplate, id=named(f"template {key}"), template_key=key, name=subject, subject=subject,
            description="Sent by the rule of that name.", body_text=body, body_html=f"<p>{body}</p>",
            channels=["email", "sms", "whatsapp"], variables=variables_of(subject, body),
            created_at=world.today - timedelta(days=399),
        )  # fmt: skip
    for number, person in enumerate(world.people):
        world.rows.put(
            NotificationPreferences, user_id=person.id, sms_enabled=number % 7 != 3, whatsapp_enabled=number % 5 != 2,
            marketing_notifications=number % 4 == 1, digest_frequency=("daily", "immediate", "weekly")[number % 3],
            updated_at=person.joined,
        )  # fmt: skip
        for turn in range(8 if number < len(world.callers) else 2):
            _put_notification(world, dice, person, number + turn)
        await world.rows.flush_if_many()


def variables_of(subject: str, body: str) -> dict[str, str]:
    """The variables of a template, with the type of each."""
    names = sorted(set(HOLE.findall(f"{subject} {body}")))
    return {name: "number" if name in NUMBERS else "string" for name in names}


def _put_notification(world: World, dice: Dice, person: Person, number: int) -> None:
    key = tuple(TEMPLATES)[number % len(TEMPLATES)]
    subject, body = TEMPLATES[key]
    data: dict[str, Any] = {
        "user_name": person.name.split()[0], "amount": dice.randrange(1, 20) * 500, "pot_title": "Anniversaire",
        "city": "Dakar", "points": 100, "message": "À bientôt !", "code": "DEMO-0000", "token": "demo",
        "reason": "compte en double", "reference": "VIR-0000",
        "pack": "Soirée cinéma", "partner_name": "Cinéma Pathé", "role": "cashier", "days": 30,
        "currency": "KES", "dao_name": "Tontine", "purpose": "Loyer", "date": "31 mars", "report": "mensuel",
    }  # fmt: skip
    # What was put in place of the template's own variables, and nothing else.
    data = {name: data[name] for name in variables_of(subject, body)}
    channel = ("email", "sms", "whatsapp")[number % 3]
    status = dice.choice(STATES)
    when = dice.ago(1, 0) if status == "pending" else dice.ago(90, 2)
    later = when + timedelta(seconds=40)
    failed = status in ("failed", "bounced")
    world.rows.put(
        Notification, id=dice.id(), user_id=person.id,
        recipient_identifier=person.email if channel == "email" else person.phone, template_id=named(f"template {key}"),
        channel=channel, subject=subject.format(**data) if channel == "email" else None, body=body.format(**data),
        template_data=data, status=status, scheduled_at=when,
        sent_at=later if status in ("sent", "delivered", "bounced") else None,
        delivered_at=later if status == "delivered" else None, failed_at=later if failed else None,
        provider=None if status == "pending" else ("resend", "twilio", "whatsapp_business")[number % 3],
        provider_message_id=None if status in ("pending", "failed") else dice.hexadecimal(24),
        provider_response=None if status == "pending" else {"status": status}, retry_count=3 if failed else 0,
        error_message="Recipient not reachable" if failed else None, error_code="30003" if failed else None,
        created_at=when, updated_at=later,
    )  # fmt: skip
