"""What the load generator sends: requests in turn, and those that spend something once each."""

from __future__ import annotations

from benchmarks.load import Job, Sender


def sent(job: Job, many: int) -> list[bytes | None]:
    sender = Sender(job)
    return [sender.next() for _ in range(many)]


def test_requests_are_sent_in_turn():
    job = Job(1, ["a", "b"], 1, 0.0, 0.0, [], {})

    assert sent(job, 4) == [b"b", b"a", b"b", b"a"]


def test_what_is_spent_is_sent_once_and_then_nothing():
    job = Job(1, [], 1, 0.0, 0.0, [], {}, once=["a", "b"])

    assert sent(job, 3) == [b"a", b"b", None]


def test_every_so_many_requests_one_is_spent():
    job = Job(1, ["read"], 1, 0.0, 0.0, [], {}, once=["a", "b"], every=3, many=6)

    assert sent(job, 7) == [b"read", b"read", b"a", b"read", b"read", b"b", None]
