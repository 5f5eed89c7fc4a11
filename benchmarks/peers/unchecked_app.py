"""What the workers of `benchmarks.peers.unchecked` serve."""

import benchmarks.peers.unchecked  # noqa: F401 - changes what a caller is looked at by
from lango.asgi import app as app
