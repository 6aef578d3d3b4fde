"""Memory of large arrays, kept by the process for the next ones. Imports no framework.

The GNU C library gives a block of 32 MiB or more back to the system as it is freed, and a fresh one comes as pages of
zeros, one fault each. Layers that make and free such blocks in turn spend up to as long in the system as in arithmetic
(glibc 2.36, mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD). Other allocators and systems are left alone.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""
OWN_FROM = 1 << 30
"""Bytes from which a block is the system's as soon as it is freed."""
KEPT = 1 << 29
"""Bytes at the end of the heap that are kept."""
VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_")
TUNABLES = "GLIBC_TUNABLES"


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed from here on; whether it does. What the user set stays."""
    is_set = any(name in os.environ for name in VARIABLES) or "glibc.malloc" in os.environ.get(TUNABLES, "")
    if is_set or sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_THRESHOLD, OWN_FROM) and library.mallopt(M_TRIM_THRESHOLD, KEPT))
