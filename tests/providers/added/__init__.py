"""A provider that is not ours, in a folder and a rule's module of its own: nothing else knows of it.

`join` lays both beside the others, as if they had been written there.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def join() -> None:
    """To be called before anything asks for the providers."""
    import lango.providers
    import resolvers

    lango.providers.__path__.append(str(HERE / "providers"))
    resolvers.__path__.append(str(HERE / "resolvers"))
