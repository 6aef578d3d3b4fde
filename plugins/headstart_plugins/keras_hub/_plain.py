"""Settings that are values alone. Keras makes objects of others, by importing what they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import UsageError


def require_plain(settings: Mapping[str, Any]) -> None:
    """Raise UsageError naming the settings that are, or hold, a serialized object."""
    if nested := [key for key, value in settings.items() if _is_object(value)]:
        raise UsageError(
            f"{', '.join(nested)} describes another object; such presets are not read",
            hint="choose a preset whose settings are numbers and text",
        )


def _is_object(value: Any) -> bool:
    if isinstance(value, dict):
        return bool({"class_name", "module", "registered_name"} & value.keys()) or any(map(_is_object, value.values()))
    return isinstance(value, list | tuple) and any(map(_is_object, value))
