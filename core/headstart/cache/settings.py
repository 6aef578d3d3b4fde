"""Where the cache lies and how large it may become, as the user's environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from headstart.backend import cache_folder
from headstart.cache.store import Cache
from headstart.errors import UsageError

LIMIT_VARIABLE = "HEADSTART_CACHE_LIMIT"
DEFAULT_LIMIT = "20GB"

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", re.IGNORECASE | re.ASCII)


def open_cache(warn: Callable[[str], None] | None = None) -> Cache:
    """The user's cache: at HEADSTART_CACHE or in the user's cache folder, of at most HEADSTART_CACHE_LIMIT.

    Reads no file and makes no folder. `warn` hears of damage. Raises UsageError where the limit is no size.
    """
    limit = parse_size(os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT, LIMIT_VARIABLE)
    return Cache(cache_folder().absolute(), limit, warn)


def parse_size(text: str, origin: str) -> int:
    """`text` in bytes: "512MB", "1.5 GB", "2GiB" or plain bytes; a factor is 1000, with an `i` 1024.

    Raises UsageError naming `origin`, the flag or variable that said it.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise UsageError(
            f"{origin}: {text!r} is no size", hint="expected bytes, or a number with KB, MB, GB or TB, such as 20GB"
        )
    factor = 1024 if match[3] else 1000
    return int(float(match[1]) * factor ** " KMGT".index(match[2].upper() or " "))
