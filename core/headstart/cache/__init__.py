"""What was computed once and can be computed again, on disk: found by what it is, verified, kept below a limit.

An entry is the folder `KIND/DIGEST` below the root, with a manifest; its modification time is its last use. Any number
of processes may read, write and remove at once: an entry takes and loses its name by one rename, so that it is whole
where it is seen, and what a process has mapped into memory stays its own. Standard library only.
"""

from headstart.cache.folders import COMPILED, Entry
from headstart.cache.store import LIMIT_VARIABLE, Cache, open_cache, parse_size

__all__ = ["COMPILED", "LIMIT_VARIABLE", "Cache", "Entry", "open_cache", "parse_size"]
