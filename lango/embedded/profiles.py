"""How an embedded server is tuned: careful with a developer's data, careless with a test's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Profile = Literal["dev", "test"]

COMMON = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_parameter_max_length_on_error": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "10s",
}
PROFILES: dict[Profile, dict[str, str]] = {
    "dev": {
        "shared_buffers": "256MB",
        "max_connections": "100",
        "max_wal_size": "2GB",
        "effective_cache_size": "1GB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        "checkpoint_completion_target": "0.9",
    },
    # A test's data is made again each time: a crash may lose it.
    "test": {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "128MB",
        "max_connections": "300",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "autovacuum_max_workers": "1",
        "max_locks_per_transaction": "256",
    },
}
SMALL_SHARED_MEMORY = 256 * 1024 * 1024


def options_of(profile: Profile) -> dict[str, str]:
    options = COMMON | PROFILES[profile]
    shared = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    if shared.exists():
        room = os.statvfs(shared)
        # A container's 64 MB do not hold what a parallel query shares: files in the data folder do.
        if room.f_blocks * room.f_frsize < SMALL_SHARED_MEMORY:
            options["dynamic_shared_memory_type"] = "mmap"
    return options
