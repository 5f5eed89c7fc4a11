"""Jobs: what is done after a rule, by the worker: at least once, so each may safely be done again.

A job is a function `job(services, **arguments)`; its arguments are kept as JSON.
"""

from __future__ import annotations
