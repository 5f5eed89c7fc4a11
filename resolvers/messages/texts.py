"""What the messages say, in French and English: one text for the SMS and the email.

`{name}` is filled in, and nothing else: a text is no program. French keeps to the accents that an SMS has place for
(é, è, ù, à, and not ê, î or ç), or it would cost twice as much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from lango.values.sms import as_gsm
from resolvers.messages.message import PAGES, Message, shown

FRENCH, ENGLISH = "fr", "en"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
# What stands for a code or a link where the text is stored.
HIDDEN = "******"
HTML = """\
<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
{paragraphs}
</body></html>
"""


class Wording(NamedTuple):
    """A message in one language."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A message filled in, in each of its forms."""

    subject: str
    sms: str
    plain: str
    html: str


KEEP_FR = "Ne le donnez à personne : lango ne le demande jamais."
KEEP_EN = "Give it to nobody: lango never asks for it."
NOT_YOU_FR = "Ce n'était pas vous ? Changez vite votre mot de passe et fermez vos sessions."
NOT_YOU_EN = "Was it not you? Change your password now and end your sessions."

TEXTS: Mapping[Message, Mapping[str, Wording]] = {
    Message.SIGN_IN_CODE: {
        FRENCH: Wording(
            "Votre code de connexion", f"Votre code de connexion : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}"
        ),
        ENGLISH: Wording(
            "Your sign-in code", f"Your sign-in code: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}"
        ),
    },
    Message.SIGN_UP_CODE: {
        FRENCH: Wording(
            "Bienvenue : votre code",
            f"Bienvenue. Votre code pour ouvrir un compte : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}",
        ),
        ENGLISH: Wording(
            "Welcome: your code",
            f"Welcome. Your code to open an account: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}",
        ),
    },
    Message.ACCOUNT_EXISTS: {
        FRENCH: Wording(
            "Vous avez déjà un compte",
            "Quelqu'un a voulu ouvrir un compte avec ce contact, qui en a déjà un. Si c'était vous, connectez-vous, ou "
            "demandez un nouveau mot de passe. Sinon, il n'y a rien à faire.",
        ),
        ENGLISH: Wording(
            "You have an account already",
            "Somebody wanted to open an account with this contact, which has one already. If it was you, sign in, or "
            "ask for a new password. If not, there is nothing to do.",
        ),
    },
    Message.VERIFY_CONTACT_CODE: {
        FRENCH: Wording(
            "Confirmez votre contact",
            f"Votre code pour confirmer ce contact : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}",
        ),
        ENGLISH: Wording(
            "Confirm your contact",
            f"Your code to confirm this contact: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}",
        ),
    },
    Message.REAUTHENTICATION_CODE: {
        FRENCH: Wording(
            "Confirmez que c'est vous",
            f"Votre code pour confirmer que c'est vous : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}",
        ),
        ENGLISH: Wording(
            "Confirm that it is you",
            f"Your code to confirm that it is you: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}",
        ),
    },
    Message.SECOND_FACTOR_CODE: {
        FRENCH: Wording(
            "Votre second code",
            f"Votre second code de connexion : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}",
        ),
        ENGLISH: Wording(
            "Your second code",
            f"Your second sign-in code: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}",
        ),
    },
    Message.TRANSACTION_CODE: {
        FRENCH: Wording(
            "Confirmez un mouvement d'argent",
            f"Votre code pour confirmer un mouvement d'argent : {{code}}. Valable {{minutes}} minutes. {KEEP_FR}",
        ),
        ENGLISH: Wording(
            "Confirm a movement of money",
            f"Your code to confirm a movement of money: {{code}}. It is valid for {{minutes}} minutes. {KEEP_EN}",
        ),
    },
    Message.PASSWORD_RESET: {
        FRENCH: Wording(
            "Un nouveau mot de passe",
            "Choisissez un nouveau mot de passe : {link} (valable {minutes} minutes). Vous n'avez rien demandé ? Ne "
            "faites rien : rien n'a changé.",
        ),
        ENGLISH: Wording(
            "A new password",
            "Choose a new password: {link} (valid for {minutes} minutes). You did not ask for it? Do nothing: nothing "
            "has changed.",
        ),
    },
    Message.PASSWORD_CHANGED: {
        FRENCH: Wording(
            "Votre mot de passe a changé",
            "Votre mot de passe a changé, et vos autres sessions sont fermées. Ce n'était pas vous ? Demandez vite un "
            "nouveau mot de passe.",
        ),
        ENGLISH: Wording(
            "Your password was changed",
            "Your password was changed, and your other sessions have ended. Was it not you? Ask for a new one now.",
        ),
    },
    Message.CONTACT_CHANGED: {
        FRENCH: Wording(
            "Votre contact a changé",
            "Ce contact est remplacé par {contact}. Ce n'était pas vous ? Annulez avant {hours} heures : {link}",
        ),
        ENGLISH: Wording(
            "Your contact was changed",
            "This contact is replaced by {contact}. Was it not you? Undo it within {hours} hours: {link}",
        ),
    },
    Message.CONTACT_ADDED: {
        FRENCH: Wording("Un contact ajouté", f"{{contact}} est maintenant un contact de votre compte. {NOT_YOU_FR}"),
        ENGLISH: Wording("A contact was added", f"{{contact}} is now a contact of your account. {NOT_YOU_EN}"),
    },
    Message.CONTACT_RESTORED: {
        FRENCH: Wording(
            "Votre contact est rétabli",
            "{contact} est de nouveau le contact de votre compte. Vos sessions sont fermées et votre mot de passe ne "
            "sert plus : connectez-vous par un code et choisissez-en un nouveau.",
        ),
        ENGLISH: Wording(
            "Your contact is back",
            "{contact} is the contact of your account again. Your sessions have ended and your password opens nothing "
            "any more: sign in by a code, and set a new one.",
        ),
    },
    Message.NEW_SIGN_IN: {
        FRENCH: Wording("Nouvelle connexion", f"Nouvelle connexion à votre compte : {{device}}. {NOT_YOU_FR}"),
        ENGLISH: Wording("New sign-in", f"New sign-in to your account: {{device}}. {NOT_YOU_EN}"),
    },
    Message.ACCOUNT_LOCKED: {
        FRENCH: Wording(
            "Connexion bloquée",
            "Trop d'essais : la connexion à votre compte est bloquée pour {minutes} minutes. Ce n'était pas vous ? Un "
            "nouveau mot de passe lève le blocage.",
        ),
        ENGLISH: Wording(
            "Sign-in is locked",
            "Too many tries: sign-in to your account is locked for {minutes} minutes. Was it not you? A new password "
            "lifts the lock.",
        ),
    },
    Message.SECOND_FACTOR_ENABLED: {
        FRENCH: Wording("Double authentification", f"La double authentification est activée. {NOT_YOU_FR}"),
        ENGLISH: Wording("Second factor", f"The second factor is switched on. {NOT_YOU_EN}"),
    },
    Message.SECOND_FACTOR_DISABLED: {
        FRENCH: Wording("Double authentification", f"La double authentification est désactivée. {NOT_YOU_FR}"),
        ENGLISH: Wording("Second factor", f"The second factor is switched off. {NOT_YOU_EN}"),
    },
    Message.SECOND_FACTOR_LOCKED: {
        FRENCH: Wording(
            "Double authentification bloquée",
            "Trop de codes faux : le second code est bloqué pour {minutes} minutes. Changez votre mot de passe : "
            "quelqu'un d'autre l'a sans doute.",
        ),
        ENGLISH: Wording(
            "Second factor locked",
            "Too many wrong codes: the second factor is locked for {minutes} minutes. Somebody may know your password: "
            "change it.",
        ),
    },
    Message.BACKUP_CODES_REPLACED: {
        FRENCH: Wording("Codes de secours", f"Vos codes de secours sont remplacés par de nouveaux. {NOT_YOU_FR}"),
        ENGLISH: Wording("Backup codes", f"Your backup codes are replaced by new ones. {NOT_YOU_EN}"),
    },
    Message.BACKUP_CODE_USED: {
        FRENCH: Wording("Code de secours", f"Un code de secours a servi ; codes restants : {{left}}. {NOT_YOU_FR}"),
        ENGLISH: Wording("Backup code", f"A backup code was used; codes left: {{left}}. {NOT_YOU_EN}"),
    },
    Message.BACKUP_CODES_LOW: {
        FRENCH: Wording("Codes de secours", "Codes de secours restants : {left}. Faites-en de nouveaux."),
        ENGLISH: Wording("Backup codes", "Backup codes left: {left}. Make new ones."),
    },
    Message.SESSION_REUSED: {
        FRENCH: Wording(
            "Une session fermée",
            f"Une session est fermée : quelqu'un l'a sans doute copiée. Connectez-vous de nouveau. {NOT_YOU_FR}",
        ),
        ENGLISH: Wording(
            "A session has ended",
            f"A session has ended: somebody may have copied it. Sign in again. {NOT_YOU_EN}",
        ),
    },
    Message.OAUTH_CONNECTED: {
        FRENCH: Wording(
            "Compte relié", f"Un compte {{provider}} est relié à votre compte et peut l'ouvrir. {NOT_YOU_FR}"
        ),
        ENGLISH: Wording(
            "Account connected", f"An account at {{provider}} is connected to yours and opens it. {NOT_YOU_EN}"
        ),
    },
    Message.OAUTH_DISCONNECTED: {
        FRENCH: Wording("Compte détaché", f"Un compte {{provider}} n'est plus relié à votre compte. {NOT_YOU_FR}"),
        ENGLISH: Wording(
            "Account disconnected", f"An account at {{provider}} is no longer connected to yours. {NOT_YOU_EN}"
        ),
    },
    Message.API_KEY_CREATED: {
        FRENCH: Wording("Nouvelle clé d'API", f"Une clé d'API a été créée : {{name}}. {NOT_YOU_FR}"),
        ENGLISH: Wording("New API key", f"An API key was made: {{name}}. {NOT_YOU_EN}"),
    },
    Message.GUARDIANSHIP_REQUESTED: {
        FRENCH: Wording(
            "Tuteur de {child}",
            "{child} vous demande comme tuteur ou tutrice sur lango. Répondez dans votre compte avant {days} jours.",
        ),
        ENGLISH: Wording(
            "Guardian of {child}",
            "{child} asks you to be their guardian on lango. Answer in your account within {days} days.",
        ),
    },
}


def language_of(locale: str | None) -> str:
    """The language of a locale as a profile has it (`en-KE`): French where there is no text of it."""
    language = (locale or "").replace("_", "-").partition("-")[0].lower()
    return language if language in (FRENCH, ENGLISH) else FRENCH


def text_of(message: Message, language: str, values: Mapping[str, str | int], secret: str = HIDDEN) -> Text:
    """The message filled in; without its `secret`, which is a code or a link, as it is stored."""
    wording = TEXTS[message][language]
    filling = {name: shown(kind, values[name]) for name, kind in message.values.items()}
    filling["link" if message in PAGES else "code"] = secret
    subject, text = _filled(wording.subject, filling, str), _filled(wording.text, filling, str)
    body = _filled(wording.text, {name: _marked_up(name, value) for name, value in filling.items()}, escape)
    return Text(
        subject=subject,
        sms=as_gsm(f"lango : {text}" if language == FRENCH else f"lango: {text}"),
        plain=f"{text}\n\n-- \nlango\n",
        html=HTML.format(language=language, subject=escape(subject), paragraphs=f"<p>{body}</p>\n<p>lango</p>"),
    )


def _filled(text: str, filling: Mapping[str, str], between: Callable[[str], str]) -> str:
    """Each `{name}` replaced, and what stands between them made what `between` says."""
    parts = PLACEHOLDER.split(text)
    return "".join(filling[part] if at % 2 else between(part) for at, part in enumerate(parts))


def _marked_up(name: str, value: str) -> str:
    shown_value = escape(value)
    if name == "link" and value != HIDDEN:
        return f'<a href="{shown_value}">{shown_value}</a>'
    return f"<strong>{shown_value}</strong>"
