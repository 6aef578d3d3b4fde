"""What an engine needs of this installation; nothing is imported."""

from __future__ import annotations

import importlib.metadata

from headstart.errors import UsageError
from headstart.specs import EngineSpec


def require_engine(spec: EngineSpec) -> None:
    """Raise UsageError naming what `spec` lacks, and how to get it."""
    if missing := spec.missing:
        hint = f'pip install "headstart[{spec.extra}]"' if spec.extra else f"pip install {' '.join(missing)}"
        raise UsageError(f"the engine {spec.name} needs {', '.join(missing)}, which is not installed", hint=hint)


def engine_versions(spec: EngineSpec) -> dict[str, str | None]:
    """Installed versions of what `spec` needs, by module name; None where a module is no distribution's."""
    return {name: _version(name) for name in spec.needs}


def _version(module: str) -> str | None:
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return None
