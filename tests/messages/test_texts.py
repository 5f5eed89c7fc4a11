"""What messages say: in both languages, filled in, short enough for an SMS, and with nobody else's links."""

from __future__ import annotations

import pytest

from lango.values.sms import as_gsm, is_gsm, segments
from resolvers.messages.message import PAGES, Kind, Message, masked, plain
from resolvers.messages.texts import ENGLISH, FRENCH, PLACEHOLDER, TEXTS, language_of, text_of

LONGEST: dict[Kind, str | int] = {
    Kind.NUMBER: 1440,
    Kind.NAME: "Ibrahima-Aurélien de la Côte d'Ivoire et du Sénégal",
    Kind.CONTACT: "+2217712345678",
}
LINK = "https://compte.lango.example.org/reset-password#token=" + "x" * 43


def filled(message: Message, language: str, secret: str | None = None):
    values = {name: LONGEST[kind] for name, kind in message.values.items()}
    return text_of(message, language, values, secret or (LINK if message in PAGES else "123456"))


@pytest.mark.parametrize("language", [FRENCH, ENGLISH])
@pytest.mark.parametrize("message", Message)
def test_every_message_is_filled_in_and_two_sms_at_most(message: Message, language: str) -> None:
    names = {*message.values, *([message.secret] if message.secret else [])}
    wording = TEXTS[message][language]

    text = filled(message, language)

    assert {name.replace("link", "token") for name in PLACEHOLDER.findall(wording.text)} == names
    assert is_gsm(text.sms), set(text.sms)
    assert segments(text.sms) <= 2
    for form in (text.subject, text.sms, text.plain, text.html):
        assert not PLACEHOLDER.search(form)


@pytest.mark.parametrize("message", Message)
def test_french_needs_no_accent_that_an_sms_lacks(message: Message) -> None:
    text = TEXTS[message][FRENCH].text

    assert as_gsm(text) == text


@pytest.mark.parametrize("message", [each for each in Message if each.secret == "code"])
@pytest.mark.parametrize("language", [FRENCH, ENGLISH])
def test_a_code_is_one_sms(message: Message, language: str) -> None:
    assert segments(filled(message, language).sms) == 1


@pytest.mark.parametrize("message", [each for each in Message if each.secret])
def test_what_is_stored_has_no_secret_and_neither_has_a_subject(message: Message) -> None:
    secret = LINK if message in PAGES else "482913"
    values = {name: LONGEST[kind] for name, kind in message.values.items()}

    stored, sent = text_of(message, FRENCH, values), filled(message, FRENCH, secret)

    assert secret in sent.sms
    assert secret in sent.plain
    assert secret in sent.html
    assert secret not in sent.subject
    for form in (stored.subject, stored.sms, stored.plain, stored.html):
        assert secret not in form
    assert "******" in stored.sms


def test_html_is_escaped() -> None:
    text = text_of(Message.PASSWORD_RESET, ENGLISH, {"minutes": 30}, 'https://x.test/?a=1&b="<script>')

    assert "<script>" not in text.html
    assert '<a href="https://x.test/?a=1&amp;b=&quot;&lt;script&gt;">' in text.html


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Chrome 120.0 on Windows", "Chrome 120.0 on Windows"),
        ("win at http://evil.example/x", "win at http evil example x"),
        ("a\r\nb\u202e\tc {code} <b>", "a b c code b"),
        ("user@evil.com", "user evil com"),
        ("\u200b", "?"),
        ("Aïcha N’Diaye", "Aïcha N’Diaye"),
        ("x" * 80, "x" * 40),
    ],
)
def test_somebody_elses_words_hold_no_link(given: str, shown: str) -> None:
    assert plain(given) == shown


@pytest.mark.parametrize(
    ("contact", "shown"),
    [("+221771234567", "+2217*****67"), ("awa@example.sn", "a***@e***.sn"), ("a@b.co.ke", "a***@b***.ke")],
)
def test_contacts_are_masked(contact: str, shown: str) -> None:
    assert masked(contact) == shown


@pytest.mark.parametrize(
    ("locale", "language"),
    [(None, FRENCH), ("fr-SN", FRENCH), ("en-KE", ENGLISH), ("EN_us", ENGLISH), ("wo", FRENCH), ("", FRENCH)],
)
def test_a_locale_falls_back_to_french(locale: str | None, language: str) -> None:
    assert language_of(locale) == language


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("ê" * 70, 1), ("ê" * 71, 2), ("ê" + "a" * 69, 1), ("😀" * 35, 1), ("😀" * 36, 2), ("", 1),
    ],
)  # fmt: skip
def test_segments_are_counted_as_they_are_paid(text: str, count: int) -> None:
    assert segments(text) == count


def test_other_scripts_stay_as_they_are() -> None:
    assert as_gsm("Reçu : « être »… مرحبا") == 'Recu : " etre "... مرحبا'
