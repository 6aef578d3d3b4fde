"""What is installed, by the metadata of distributions, and what an engine needs of it; nothing is imported."""

from __future__ import annotations

import importlib.metadata

from headstart.errors import UsageError
from headstart.specs import EngineSpec


def installed_release(distribution: str) -> str | None:
    """The installed version of a distribution; None where it is absent."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_version() -> str:
    """The version of headstart that is installed; "unknown" where it runs from a bare checkout."""
    return installed_release("headstart") or "unknown"


def require_engine(spec: EngineSpec) -> None:
    """Raise UsageError naming what `spec` lacks, and how to get it."""
    if missing := spec.missing:
        hint = f'pip install "headstart[{spec.extra}]"' if spec.extra else f"pip install {' '.join(missing)}"
        raise UsageError(f"the engine {spec.name} needs {', '.join(missing)}, which is not installed", hint=hint)


def engine_versions(spec: EngineSpec) -> dict[str, str | None]:
    """Installed versions of what `spec` needs, by module name; None where a module is no distribution's."""
    return {name: installed_release(name) for name in spec.needs}
