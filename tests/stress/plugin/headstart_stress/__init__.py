"""A reporter for the stress tests: it ends its own process where the environment says so, or plants a bug."""

from headstart.hookspecs import hookimpl
from headstart.specs import ReporterSpec


@hookimpl
def register_reporters():
    """Offer the one reporter."""
    return [
        ReporterSpec(
            name="stress/stress",
            summary="Sends its process a signal at a chosen event.",
            build="headstart_stress._build:build",
        )
    ]
