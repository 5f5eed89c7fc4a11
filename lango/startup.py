"""How a process starts: the collector rests while the schema is made, and never looks at what was made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """What is made meanwhile lives as long as the process, so that the garbage collector leaves it alone.

    The schema, its models and its rules are some hundred thousand objects. Looking through them again and again took
    a quarter of the time in which they are made, and later would hold up every hundredth request for a third of a
    second.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def settle() -> None:
    """All that lasts has been made: the garbage collector leaves it alone, and looks seldom at what comes.

    What a request or a job makes goes with it, without the collector: looking every 700 objects took a tenth of small
    requests, and looking through all that lasts a third of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
