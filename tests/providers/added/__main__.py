"""`lango`, with the added provider: `python -m tests.providers.added serve`."""

from __future__ import annotations

from tests.providers.added import join

join()

from lango.__main__ import main  # noqa: E402

main()
