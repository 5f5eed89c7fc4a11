"""What the sandboxes have sent: for its owner alone, little of it, and not for long."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lango.providers.mailbox import CAPACITY, FILE, KEPT, Callback, Mailbox, Sent


def sent(to: str = "+221771234567", text: str = "482913", age: timedelta = timedelta(0)) -> Sent:
    at = (datetime.now(UTC) - age).isoformat(timespec="milliseconds")
    return Sent(provider="twilio", channel="sms", to=to, sender="lango", text=text, at=at)


def test_the_newest_comes_first_and_what_is_put_comes_back(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "new")
    first, other = sent(), sent("+221772222222")
    last = Sent(
        provider="africas_talking", channel="sms", to=first.to, sender="lango", text="x",
        reports={"delivered": Callback("/webhooks/x", {"a": "b"}, "c=d")},
    )  # fmt: skip

    for each in (first, other, last):
        mailbox.put(each)

    assert mailbox.newest() == [last, other, first]
    assert mailbox.newest(first.to) == [last, first]
    assert mailbox.newest("+221773333333") == []
    assert mailbox.get(last.id) == last
    assert mailbox.get("nothing") is None
    assert Mailbox(tmp_path / "new").newest() == [last, other, first]


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    Mailbox(tmp_path).put(sent())

    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_it_holds_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CAPACITY == 200
    monkeypatch.setattr("lango.providers.mailbox.CAPACITY", 3)
    mailbox = Mailbox(tmp_path)

    for number in range(5):
        mailbox.put(sent(text=str(number)))

    assert [each.text for each in mailbox.newest()] == ["4", "3", "2"]


def test_what_is_old_is_forgotten_and_gone_from_the_file(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    mailbox.put(sent(text="an old 739164", age=KEPT + timedelta(seconds=1)))
    mailbox.put(sent(text="a new one", age=KEPT - timedelta(seconds=30)))

    assert [each.text for each in mailbox.newest()] == ["a new one"]
    assert b"739164" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_many_write_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: Mailbox(tmp_path).put(sent(text=str(number))), range(40)))

    assert sorted(int(each.text) for each in Mailbox(tmp_path).newest()) == list(range(40))
