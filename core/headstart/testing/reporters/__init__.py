"""The contract of reporters, in two levels: declared, told."""

from __future__ import annotations

from headstart.testing.reporters.declared import ReporterDeclared
from headstart.testing.reporters.told import ReporterTold

__all__ = ["ReporterContract", "ReporterDeclared", "ReporterTold"]


class ReporterContract(ReporterDeclared, ReporterTold):
    """All that a reporter must do. Set `name`."""
