"""A process that is kept running: started again however it ends, and gone at the end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lango.jobs import supervision
from lango.jobs.supervision import kept_running


def live(place: str) -> None:
    """Write down which process this is, and do nothing."""
    with Path(place).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(60)


def begun(place: Path) -> list[int]:
    return [int(line) for line in place.read_text().split()] if place.exists() else []


def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_ends_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.1)
    place = tmp_path / "begun"

    with kept_running(live, str(place), name="trial", grace=10):
        for times in (1, 2):
            wait(lambda: len(begun(place)) == times)  # noqa: B023 - waited for at once
            os.kill(begun(place)[-1], number)
        wait(lambda: len(begun(place)) == 3)

    assert not any(map(alive, begun(place)))
    time.sleep(0.5)
    assert len(begun(place)) == 3


def test_the_end_does_not_wait_for_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 600.0)
    place = tmp_path / "begun"
    with kept_running(live, str(place), name="trial", grace=10):
        wait(lambda: len(begun(place)) == 1)
        os.kill(begun(place)[0], signal.SIGKILL)
        wait(lambda: not alive(begun(place)[0]))
        ended = time.monotonic()

    assert time.monotonic() - ended < 5
