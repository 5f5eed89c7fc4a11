"""What is private or undocumented in a library and needed here: one module a library, and no other names it.

Such parts change without notice. The versions are bounded exactly, nothing starts with others, and a test
(tests/conventions/test_libraries.py) compares what is relied upon with what is installed: whoever raises a bound learns
there what has changed.
"""

from __future__ import annotations

from importlib.metadata import version

# The versions that are known to fit: from the first on, and before the second. As in requirements/serve.in.
BOUNDS = {
    "asyncpg": ("0.32", "0.33"),
    "graphql-core": ("3.3", "3.4"),
    "pgqueuer": ("1.6", "1.7"),
    "sqlalchemy": ("2.1", "2.2"),
    "strawberry-graphql": ("0.341", "0.342"),
    "uvicorn": ("0.54", "0.55"),
    "websockets": ("17.0", "18"),
}


class UnknownVersion(RuntimeError):
    """A library is installed in a version of which is not known whether its private parts are what they were."""


def check() -> None:
    """Raises UnknownVersion. Reads what the packages say of themselves, and imports none."""
    for name, (first, beyond) in BOUNDS.items():
        installed = version(name)
        if not _parts(first) <= _parts(installed) < _parts(beyond):
            raise UnknownVersion(
                f"lango needs {name} >= {first} and < {beyond}, and {installed} is installed: install what "
                "requirements/serve.txt names."
            )


def _parts(text: str) -> tuple[int, ...]:
    """The numbers of a version; those of one before a release end where its letters begin."""
    numbers = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


# Here, so that whoever imports one of the modules learns it before an import of theirs fails for that very reason.
check()
