"""Adapters of outside services: each speaks one provider's protocol, and knows no table.

A folder is a provider: it declares itself by one `Provider`, which `lango.providers.registry` finds.
"""

from __future__ import annotations

from lango.providers.errors import BadProvider, ProviderError, ProviderRefused, ProviderUnavailable, ProviderUndecided

__all__ = ["BadProvider", "ProviderError", "ProviderRefused", "ProviderUnavailable", "ProviderUndecided"]
