"""The composition root of `lango dev`: the gateway of `lango.asgi`, with the demo's people to sign in as.

A module of its own and no setting: whatever is set, `lango serve` does not load it.
"""

from __future__ import annotations

import os

from lango.asgi import app
from lango.http.demo import VARIABLE, offer, read
from lango.settings import settings

offer(app, settings(), read(os.environ.get(VARIABLE, "[]")))
