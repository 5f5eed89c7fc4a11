"""Databases built in two ways, on two servers."""

from tests.clusters import cluster, migrated

__all__ = ["cluster", "migrated"]
